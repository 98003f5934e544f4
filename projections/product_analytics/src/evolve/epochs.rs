//! Epochs of pseudonyms: when no event of one can come in any more, its key is destroyed. From then on nobody can tell
//! whose its pseudonyms were, on the log or anywhere else.

use std::time::Duration;

use daybook_event_rules::profile::Profile;
use daybook_kernel::domain::Moment;
use daybook_kernel::key::All;
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{EndPseudonymEpoch, EpochKeysDestroyed, EpochRow};

use crate::{DAY_MS, TablesMut};

/// Clocks of doors may be behind that of the log.
const SPARE: Duration = Duration::from_secs(86_400);

/// Events of these epochs were recorded. The first batches did not name theirs: the keys of those are not destroyed by
/// themselves.
pub(super) fn recorded(
    tables: &mut TablesMut<'_>,
    epochs: &[i64],
    profile: &Profile,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    for epoch in epochs {
        if tables.epochs().get((*epoch,))?.is_none() {
            tables.epochs().put((*epoch,), &EpochRow::default());
            set_timer(tables, *epoch, profile, moment)?;
        }
    }
    Ok(())
}

/// Another profile: epochs may be longer or shorter now, and events later.
pub(super) fn profile_set(tables: &mut TablesMut<'_>, moment: &Moment<'_>) -> Result<(), Fault> {
    let profile = Profile::of(&tables.profile().get(())?.unwrap_or_default());
    let open: Vec<i64> = tables.read(|tables| {
        let rows = tables.epochs().scan(All).filter(|row| !matches!(row, Ok((_, row)) if row.has_ended));
        rows.map(|row| Ok(row?.0.0)).collect::<Result<_, Fault>>()
    })?;
    open.into_iter().try_for_each(|epoch| set_timer(tables, epoch, &profile, moment))
}

pub(super) fn ended(tables: &mut TablesMut<'_>, epoch: i64) -> Result<(), Fault> {
    let row = tables.epochs().get((epoch,))?.unwrap_or_default();
    tables.epochs().put((epoch,), &EpochRow { has_ended: true, ..row });
    Ok(())
}

pub(super) fn keys_destroyed(tables: &mut TablesMut<'_>, event: &EpochKeysDestroyed) -> Result<(), Fault> {
    for key in &event.epochs {
        let destroyed_at = key.destroyed_at.as_ref().and_then(|time| Timestamp::from_proto(time).ok());
        let row = EpochRow {
            has_ended: true,
            destroyed_at_us: destroyed_at.map_or(0, Timestamp::as_micros),
            key_fingerprint: key.key_fingerprint.clone(),
        };
        tables.epochs().put((key.epoch,), &row);
    }
    Ok(())
}

/// The last event of an epoch happens at its end, is late by so much, and was cut to its granularity.
fn over_at(epoch: i64, profile: &Profile) -> Timestamp {
    let days = i64::from(profile.rotation_days);
    // One that begins where no epoch of this profile does gets no more events.
    let end = if epoch.rem_euclid(days) == 0 { epoch.saturating_add(days) } else { epoch };
    let end = Timestamp::from_micros(end.saturating_mul(DAY_MS).saturating_mul(1_000));
    let granularity = Duration::from_millis(profile.granularity_ms.unsigned_abs());
    end.saturating_add(profile.late_max).saturating_add(granularity).saturating_add(SPARE)
}

fn set_timer(tables: &mut TablesMut<'_>, epoch: i64, profile: &Profile, moment: &Moment<'_>) -> Result<(), Fault> {
    let due = over_at(epoch, profile).max(moment.now);
    super::set_timer(tables, &format!("pseudonym-epoch/{epoch}"), due, moment, &EndPseudonymEpoch { epoch })
}

#[cfg(test)]
mod tests {
    use daybook_proto::product_analytics::v1::MinimisationProfile;

    use super::*;

    #[test]
    fn an_epoch_is_over_when_its_last_event_can_be_late_no_more() {
        let profile = MinimisationProfile { pseudonym_epoch_days: 30, ..Default::default() };
        let days = |at: Timestamp| at.as_micros() as f64 / 86_400e6;
        let over = days(over_at(60, &Profile::of(&profile)));
        assert!((98.0..98.1).contains(&over), "begun at 60, 30 days long, 7 days late, a day to spare: {over}");
        let profile = MinimisationProfile { pseudonym_epoch_days: 90, ..Default::default() };
        let over = days(over_at(60, &Profile::of(&profile)));
        assert!((68.0..68.1).contains(&over), "no epoch of 90 days begins at 60: {over}");
    }
}
