//! Queries of the platform. All but the list of parked streams are answered by the home stream's partition.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId, Position, StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::platform::v1;

use crate::{Platform, Tables, codes};

const NAMESPACE: &str = "Platform";

fn home(tenant: &TenantId) -> StreamKey {
    StreamKey::of_tenant(tenant)
}

/// Shows one tenant.
pub struct GetTenant;

impl Query for GetTenant {
    type Request = v1::GetTenantRequest;
    type Response = v1::GetTenantResponse;
    type Projection = Platform;
    const METHOD: &'static str = "GetTenant";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        home(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Tenant", &request.target_tenant_id)
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let missing = || {
            let message =
                format!("there is no tenant {:?}; list them with `daybook tenant list`", request.target_tenant_id);
            Rejection::new(codes::TENANT_NOT_FOUND, message)
        };
        let tenant = tables.tenants().get((&request.target_tenant_id,))?.ok_or_else(missing)?;
        Ok(v1::GetTenantResponse { position: None, tenant: Some(tenant) })
    }
}

/// Lists tenants.
pub struct ListTenants;

impl Query for ListTenants {
    type Request = v1::ListTenantsRequest;
    type Response = v1::ListTenantsResponse;
    type Projection = Platform;
    const METHOD: &'static str = "ListTenants";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        home(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Installation", "this")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let mut tenants = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.tenants().scan_from(All, (&request.page_token,)) {
            let ((id,), tenant) = row?;
            if tenants.len() == size {
                next_page_token = id;
                break;
            }
            tenants.push(tenant);
        }
        Ok(v1::ListTenantsResponse { position: None, tenants, next_page_token })
    }
}

/// Shows one policy set.
pub struct GetPolicySet;

impl Query for GetPolicySet {
    type Request = v1::GetPolicySetRequest;
    type Response = v1::GetPolicySetResponse;
    type Projection = Platform;
    const METHOD: &'static str = "GetPolicySet";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        home(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "PolicySet", &request.policy_set_hash)
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let hash = if request.policy_set_hash.is_empty() {
            let active = tables.activation().get(())?.and_then(|row| Hash::from_slice(&row.policy_set_hash));
            active.ok_or_else(|| Rejection::new(codes::POLICY_SET_NOT_FOUND, "no policy set is active yet"))?
        } else {
            find_policy_set(tables, &request.policy_set_hash)?
        };
        let missing = || Fault::Damaged(format!("policy set {hash} has no row"));
        let set = tables.policy_sets().get((hash.as_bytes(),))?.ok_or_else(missing)?;
        Ok(v1::GetPolicySetResponse { position: None, policy_set: Some(with_activation(tables, set)?) })
    }
}

/// Lists policy sets.
pub struct ListPolicySets;

impl Query for ListPolicySets {
    type Request = v1::ListPolicySetsRequest;
    type Response = v1::ListPolicySetsResponse;
    type Projection = Platform;
    const METHOD: &'static str = "ListPolicySets";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        home(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Installation", "this")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => u64::MAX,
            token => token.parse().map_err(|_| Violations::one("page_token", "is not one that this list gave out"))?,
        };
        let mut policy_sets = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.policy_set_order().scan_back_from(All, (before,)) {
            let ((offset,), named) = row?;
            if policy_sets.len() == size {
                next_page_token = (offset + 1).to_string();
                break;
            }
            let missing = || Fault::Damaged(format!("policy set {} has no row", named.policy_set_hash));
            let hash = Hash::from_hex(&named.policy_set_hash).ok_or_else(missing)?;
            let set = tables.policy_sets().get((hash.as_bytes(),))?.ok_or_else(missing)?;
            let set = v1::PolicySet { policies: String::new(), schema: String::new(), ..set };
            policy_sets.push(with_activation(tables, set)?);
        }
        Ok(v1::ListPolicySetsResponse { position: None, policy_sets, next_page_token })
    }
}

/// Lists the parked streams of one partition.
pub struct ListParkedStreams;

impl Query for ListParkedStreams {
    type Request = v1::ListParkedStreamsRequest;
    type Response = v1::ListParkedStreamsResponse;
    type Projection = Platform;
    const METHOD: &'static str = "ListParkedStreams";

    fn stream_key(_: &TenantId, request: &Self::Request) -> StreamKey {
        StreamKey::of_partition(PartitionId(request.partition))
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Installation", "this")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        if request.partition >= asked.partitions {
            return Err(Violations::one("partition", format!("must be below {}", asked.partitions)).into());
        }
        let (tenant, key) = request.page_token.split_once('/').unwrap_or_default();
        let mut parked_streams = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.partition().parked().scan_from(All, (tenant, key)) {
            let ((tenant_id, stream_key), row) = row?;
            if parked_streams.len() == size {
                next_page_token = format!("{tenant_id}/{stream_key}");
                break;
            }
            let position = Position { partition: PartitionId(request.partition), offset: Offset(row.command_offset) };
            parked_streams.push(v1::ParkedStream {
                tenant_id,
                stream_key,
                position: Some(position.into()),
                domain: row.domain,
                kind: row.kind,
                code: row.code,
                reason: row.reason,
                parked_at: Some(Timestamp::from_micros(row.parked_at_us).to_proto()),
            });
        }
        Ok(v1::ListParkedStreamsResponse { position: None, parked_streams, next_page_token })
    }
}

/// Shows the feature level.
pub struct GetFeatureLevel;

impl Query for GetFeatureLevel {
    type Request = v1::GetFeatureLevelRequest;
    type Response = v1::GetFeatureLevelResponse;
    type Projection = Platform;
    const METHOD: &'static str = "GetFeatureLevel";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        home(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Installation", "this")
    }

    fn answer(tables: &Tables<'_>, _: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        // A log from before there were levels has no row.
        let none = || v1::FeatureLevel { partitions: asked.partitions, ..Default::default() };
        let feature_level = Some(tables.feature_level().get(())?.unwrap_or_else(none));
        Ok(v1::GetFeatureLevelResponse { position: None, feature_level })
    }
}

/// The published policy set that a hash, or the beginning of one, names.
pub fn find_policy_set(tables: &Tables<'_>, hash: &str) -> Result<Hash, Refusal> {
    if hash.len() < 8 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let problem = "must be the hash of a policy set in hexadecimal, or at least its first 8 characters";
        return Err(Violations::one("policy_set_hash", problem).into());
    }
    let wanted = hash.to_ascii_lowercase();
    let mut found = None;
    for row in tables.policy_set_order().scan(All) {
        let (_, named) = row?;
        if named.policy_set_hash.starts_with(&wanted) && found.replace(named.policy_set_hash).is_some() {
            let message = format!("several policy sets begin with {hash}; give more characters");
            return Err(Rejection::new(codes::POLICY_SET_AMBIGUOUS, message).into());
        }
    }
    found.as_deref().and_then(Hash::from_hex).ok_or_else(|| {
        let message = format!("no policy set {hash} is published; list them with `daybook policy list`");
        Rejection::new(codes::POLICY_SET_NOT_FOUND, message).into()
    })
}

/// The set with where it is in force.
fn with_activation(tables: &Tables<'_>, set: v1::PolicySet) -> Result<v1::PolicySet, Fault> {
    let Some(row) = tables.activation().get(())? else { return Ok(set) };
    let active = Hash::from_slice(&row.policy_set_hash).is_some_and(|hash| hash.to_hex() == set.policy_set_hash);
    let active_partitions = if active { row.confirmed } else { 0 };
    Ok(v1::PolicySet { active, active_partitions, partitions: row.partitions, ..set })
}
