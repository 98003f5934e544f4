//! The minimisation profile with its defaults, and what is wrong with one.

use std::time::Duration;

use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::Violations;
use daybook_kernel::time::duration_from_proto;
use daybook_proto::product_analytics::v1::MinimisationProfile;

use crate::schema_rules::name_problem;

const DAY: Duration = Duration::from_secs(86_400);

/// A profile in which everything is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Times are cut to a multiple of this many milliseconds.
    pub granularity_ms: i64,
    /// Days after which pseudonyms change.
    pub rotation_days: u16,
    /// Purposes that need no consent, sorted.
    pub purposes_without_consent: Vec<String>,
    /// How late events may arrive.
    pub late_max: Duration,
    /// How far ahead of the log's clock they may lie.
    pub future_max: Duration,
    /// How long their ids are remembered.
    pub deduplication_window: Duration,
    /// Numbers of fewer actors are not shown.
    pub suppress_below: u64,
}

impl Profile {
    /// A profile as a tenant has set it; what is not set has its default.
    pub fn of(profile: &MinimisationProfile) -> Self {
        let or = |duration: &Option<prost_types::Duration>, default| {
            duration.as_ref().and_then(|duration| duration_from_proto(duration).ok()).unwrap_or(default)
        };
        let granularity = or(&profile.time_granularity, Duration::from_secs(1)).as_millis();
        let or_number = |number, default| if number == 0 { default } else { number };
        let mut purposes_without_consent = profile.purposes_without_consent.clone();
        purposes_without_consent.sort();
        Self {
            granularity_ms: i64::try_from(granularity).unwrap_or(i64::MAX).max(1),
            rotation_days: u16::try_from(or_number(profile.pseudonym_epoch_days, 90)).unwrap_or(u16::MAX),
            purposes_without_consent,
            late_max: or(&profile.late_max, 7 * DAY),
            future_max: or(&profile.future_max, Duration::from_secs(300)),
            deduplication_window: or(&profile.deduplication_window, DAY),
            suppress_below: u64::from(or_number(profile.suppress_below, 5)),
        }
    }

    /// A time as it may be written down.
    pub fn coarsened(&self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.granularity_ms).saturating_mul(self.granularity_ms)
    }

    /// The epoch of pseudonyms that a time falls into: the day on which it begins, counted from 1970 (UTC).
    pub fn epoch_of(&self, time_ms: i64) -> i64 {
        let days = i64::from(self.rotation_days);
        time_ms.div_euclid(86_400_000).div_euclid(days).saturating_mul(days)
    }

    /// Whether what is collected for a purpose needs a consent.
    pub fn needs_consent(&self, purpose: &str) -> bool {
        self.purposes_without_consent.binary_search_by(|known| known.as_str().cmp(purpose)).is_err()
    }
}

/// What is wrong with a profile, if anything.
///
/// # Errors
/// Every field that is wrong.
pub fn check(profile: &MinimisationProfile) -> Result<(), Violations> {
    const PURPOSES_MAX: usize = 50;
    let mut fields = Fields::new();
    if let Some(granularity) = fields.duration("time_granularity", profile.time_granularity, DAY) {
        let is_whole = granularity.subsec_nanos() % 1_000_000 == 0 && !granularity.is_zero();
        fields.check("time_granularity", is_whole, "must be whole milliseconds, 1 at least");
    }
    fields.check("pseudonym_epoch_days", profile.pseudonym_epoch_days <= 366, "must be at most 366");
    let purposes = &profile.purposes_without_consent;
    fields.check("purposes_without_consent", purposes.len() <= PURPOSES_MAX, "must have at most 50 entries");
    for (i, purpose) in purposes.iter().enumerate().take(PURPOSES_MAX) {
        if let Some(problem) = name_problem(purpose) {
            fields.wrong(&format!("purposes_without_consent[{i}]"), problem);
        }
    }
    fields.duration("late_max", profile.late_max, 366 * DAY);
    fields.duration("future_max", profile.future_max, DAY);
    fields.duration("deduplication_window", profile.deduplication_window, 30 * DAY);
    fields.check("suppress_below", profile.suppress_below <= 1_000, "must be at most 1000");
    fields.finish(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default() {
        let profile = Profile::of(&MinimisationProfile::default());
        assert_eq!((profile.granularity_ms, profile.rotation_days, profile.suppress_below), (1_000, 90, 5));
        assert_eq!(profile.coarsened(1_999), 1_000);
        assert_eq!(profile.coarsened(-1), -1_000, "before 1970 as well");
        assert_eq!([-1, 0, 90 * 86_400_000 - 1, 90 * 86_400_000].map(|ms| profile.epoch_of(ms)), [-90, 0, 0, 90]);
        assert!(profile.needs_consent("anything"));
    }

    #[test]
    fn wrong_profiles_are_refused_field_by_field() {
        let seconds = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let wrong = MinimisationProfile {
            time_granularity: seconds(0, 1),
            pseudonym_epoch_days: 367,
            purposes_without_consent: vec!["not a name".into()],
            late_max: seconds(-1, 0),
            future_max: seconds(86_401, 0),
            deduplication_window: seconds(31 * 86_400, 0),
            suppress_below: 1_001,
        };
        let violations = check(&wrong).unwrap_err();
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let expected = [
            "time_granularity",
            "pseudonym_epoch_days",
            "purposes_without_consent[0]",
            "late_max",
            "future_max",
            "deduplication_window",
            "suppress_below",
        ];
        assert_eq!(fields, expected);
        assert_eq!(check(&MinimisationProfile::default()), Ok(()));
    }
}
