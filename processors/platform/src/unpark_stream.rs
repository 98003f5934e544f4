//! Letting a parked stream key go on. Decided on the partition where the key lies.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::id::{PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables};

use crate::{NAMESPACE, codes};

/// Lets a parked stream key go on.
#[derive(Debug, Clone)]
pub struct UnparkStream {
    tenant: TenantId,
    stream_key: StreamKey,
    reason: String,
}

/// The id that a stream has in policies.
pub(crate) fn stream_id(tenant: &str, stream_key: &str) -> String {
    format!("{tenant}/{stream_key}")
}

impl UnparkStream {
    /// The partition where the key lies.
    pub(crate) fn partition(&self, partitions: u32) -> PartitionId {
        partition_of(&self.tenant, &self.stream_key, partitions)
    }
}

impl Command for UnparkStream {
    type Request = v1::UnparkStreamRequest;
    type Response = v1::UnparkStreamResponse;
    type Projection = Platform;
    const KIND: &'static str = "UnparkStream";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let reason = fields.required_text("reason", request.reason, 2_000);
        let tenant = TenantId::parse(&request.target_tenant_id);
        let stream_key = StreamKey::parse(&request.target_stream_key);
        if let Err(problem) = &tenant {
            fields.wrong("target_tenant_id", problem.to_string());
        }
        if let Err(problem) = &stream_key {
            fields.wrong("target_stream_key", problem.to_string());
        }
        match (tenant, stream_key) {
            (Ok(tenant), Ok(stream_key)) => fields.finish(Self { tenant, stream_key, reason }),
            _ => fields.finish(()).and(Err(Violations::default())),
        }
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        let id = stream_id(self.tenant.as_str(), self.stream_key.as_str());
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Stream", id)))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        if !tables.partition().parked().contains((self.tenant.as_str(), self.stream_key.as_str()))? {
            let message = format!("stream {} of tenant {} is not parked", self.stream_key, self.tenant);
            return Err(Rejection::new(codes::STREAM_NOT_PARKED, message).into());
        }
        Ok(vec![Event::StreamUnparked(v1::StreamUnparked {
            tenant_id: self.tenant.as_str().to_owned(),
            stream_key: self.stream_key.as_str().to_owned(),
            reason: self.reason.clone(),
        })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::UnparkStreamResponse { receipt: None })
    }
}
