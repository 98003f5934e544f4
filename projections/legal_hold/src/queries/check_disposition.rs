//! May items be deleted? The gate for other systems.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, DispositionVerdict, disposition_check::Target};

use super::holds::ListHolds;
use crate::hold_index::matching_holds;
use crate::scope::ItemFacts;
use crate::{LegalHold, NAMESPACE, Tables};

/// Items in one question.
const CHECKS_MAX: usize = 10_000;
/// Holds that are listed for one item.
const HOLDS_LISTED_MAX: usize = 20;

/// Answers whether items may be deleted. Fails closed: what is not known, or not known exactly, is not allowed.
pub struct CheckDisposition;

impl Query for CheckDisposition {
    type Request = v1::CheckDispositionRequest;
    type Response = v1::CheckDispositionResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "CheckDisposition";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Gate", "disposition")
    }

    /// Which holds match is for those who may list holds. Everybody else learns whether one does, which the gate is for:
    /// a program that feeds items in could find out otherwise who is under investigation.
    fn reveals(_: &Self::Request) -> Option<Authorisation> {
        Some(Authorisation::new(NAMESPACE, ListHolds::METHOD, "Hold", "any"))
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        if request.checks.is_empty() || request.checks.len() > CHECKS_MAX {
            return Err(Violations::one("checks", format!("must have 1 to {CHECKS_MAX} entries")).into());
        }
        let mut violations = Violations::default();
        let mut results = Vec::with_capacity(request.checks.len());
        for (i, check) in request.checks.iter().enumerate() {
            match &check.target {
                None => violations.add(format!("checks[{i}]"), "must have item_id or attributes"),
                Some(Target::ItemId(id)) => results.push(check_item(tables, id)?),
                Some(Target::Attributes(attributes)) => {
                    results.push(verdict(tables, &ItemFacts::of_attributes(attributes))?);
                }
            }
        }
        violations.or(())?;
        if !asked.reveals {
            results.iter_mut().for_each(|result| result.hold_ids.clear());
        }
        Ok(v1::CheckDispositionResponse { position: None, results })
    }
}

fn check_item(tables: &Tables<'_>, item_id: &str) -> Result<v1::DispositionResult, Fault> {
    let item = tables.items().get((item_id,))?.and_then(|row| row.item);
    match item {
        Some(item) => verdict(tables, &ItemFacts::of_item(&item)),
        None => Ok(v1::DispositionResult {
            allowed: false,
            verdict: DispositionVerdict::UnknownItem.into(),
            hold_ids: Vec::new(),
        }),
    }
}

fn verdict(tables: &Tables<'_>, facts: &ItemFacts) -> Result<v1::DispositionResult, Fault> {
    let hold_ids = matching_holds(tables, facts, HOLDS_LISTED_MAX)?;
    let allowed = hold_ids.is_empty();
    let verdict = if allowed { DispositionVerdict::NotHeld } else { DispositionVerdict::Held };
    Ok(v1::DispositionResult { allowed, verdict: verdict.into(), hold_ids })
}
