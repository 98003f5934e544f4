//! Retention classes.

use daybook_kernel::domain::Moment;
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, RetentionClassRow};

use super::lacking;
use crate::{TablesMut, retention};

pub(super) fn set(tables: &mut TablesMut<'_>, event: &v1::RetentionClassSet, moment: &Moment<'_>) -> Result<(), Fault> {
    let class = event.retention_class.clone().ok_or_else(|| lacking("its class"))?;
    let id = class.retention_class_id.clone();
    let known = tables.retention_classes().get((&id,))?.unwrap_or_default();
    // A change that waits was asked for with the class as it was: it is void.
    let row = RetentionClassRow { retention_class: Some(class), pending_change: None, ..known };
    tables.retention_classes().put((&id,), &row);
    retention::reset_timer(tables, &id, moment)
}

pub(super) fn change_requested(tables: &mut TablesMut<'_>, event: &v1::RetentionChangeRequested) -> Result<(), Fault> {
    let class = event.change.as_ref().and_then(|change| change.retention_class.as_ref());
    let id = class.ok_or_else(|| lacking("its class"))?.retention_class_id.as_str();
    tables.retention_classes().update((id,), |class| class.pending_change.clone_from(&event.change))?;
    Ok(())
}

pub(super) fn change_settled(tables: &mut TablesMut<'_>, class_id: &str) -> Result<(), Fault> {
    tables.retention_classes().update((class_id,), |class| class.pending_change = None)?;
    Ok(())
}

pub(super) fn run(tables: &mut TablesMut<'_>, event: &v1::RetentionRun, moment: &Moment<'_>) -> Result<(), Fault> {
    retention::reset_timer(tables, &event.retention_class_id, moment)
}
