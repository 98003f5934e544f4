//! Retention classes, and what a change of one would do.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::{All, First};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_proto::legal_hold::v1;

use crate::retention::{class_status, due_at, due_items};
use crate::{LegalHold, NAMESPACE, Tables};

/// Items that a preview looks at.
const PREVIEWED_MAX: u64 = 100_000;

/// Lists retention classes.
pub struct ListRetentionClasses;

impl Query for ListRetentionClasses {
    type Request = v1::ListRetentionClassesRequest;
    type Response = v1::ListRetentionClassesResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "ListRetentionClasses";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "RetentionClass", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let mut retention_classes = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.retention_classes().scan_from(All, (&request.page_token,)) {
            let ((id,), row) = row?;
            if retention_classes.len() == size {
                next_page_token = id;
                break;
            }
            retention_classes.push(class_status(tables, row)?);
        }
        Ok(v1::ListRetentionClassesResponse { position: None, retention_classes, next_page_token })
    }
}

/// Counts what would fall due if a retention class were set so.
pub struct PreviewRetentionClass;

impl Query for PreviewRetentionClass {
    type Request = v1::PreviewRetentionClassRequest;
    type Response = v1::PreviewRetentionClassResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "PreviewRetentionClass";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        let id = request.retention_class.as_ref().map_or("", |class| class.retention_class_id.as_str());
        Authorisation::new(NAMESPACE, Self::METHOD, "RetentionClass", id)
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let class = request.retention_class.ok_or_else(|| Violations::one("retention_class", "must be set"))?;
        let class = crate::retention::parse_class(class).map_err(|violations| violations.inside("retention_class"))?;
        let row = tables.retention_classes().get((&class.retention_class_id,))?;
        let due = due_items(tables, &class, asked.now, PREVIEWED_MAX)?;
        let first = tables.retention_queue().scan(First(class.retention_class_id.as_str())).next().transpose()?;
        Ok(v1::PreviewRetentionClassResponse {
            position: None,
            retention_class: row.map(|row| class_status(tables, row)).transpose()?,
            due_now_items: due.now,
            due_items: due.soon,
            first_due_at: first.map(|((_, created_us, _), _)| due_at(created_us, &class).to_proto()),
            truncated: due.truncated,
        })
    }
}
