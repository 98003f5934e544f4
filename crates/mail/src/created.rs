//! When a message came into being. Retention counts from here: what the header says is taken only if it can be read beyond
//! doubt, and what was taken instead is remarked.

use std::collections::BTreeSet;

use daybook_proto::legal_hold::v1::ItemRemark;

use super::date::{self, Reading};
use super::fields::Fields;
use super::printable;

/// Characters of a date that is shown in a report.
const SHOWN_MAX: usize = 60;

/// When a message came into being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// Seconds since 1970.
    pub(crate) seconds: i64,
    /// How it was found, where that was not plain.
    pub(crate) remarks: BTreeSet<ItemRemark>,
}

impl Created {
    fn of(reading: Reading, source: Option<ItemRemark>) -> Self {
        let missing = [
            (reading.has_time, ItemRemark::CreatedAtDayOnly),
            (reading.has_zone || !reading.has_time, ItemRemark::CreatedAtZoneAssumed),
            (reading.weekday_fits, ItemRemark::CreatedAtWeekdayDiffers),
        ];
        let missing = missing.into_iter().filter(|(holds, _)| !holds).map(|(_, remark)| remark);
        Self { seconds: reading.seconds, remarks: missing.chain(source).collect() }
    }
}

/// The time of a message: of its `Date`; else of the newest `Received`, which is the first; else of the line that starts it
/// in an mbox. A date without a time of the day comes last.
///
/// # Errors
/// There is none that can be read.
pub(crate) fn created(fields: &Fields<'_>, separator: Option<Reading>) -> Result<Created, String> {
    let dates: Vec<_> = fields.values("Date").collect();
    let readings: Vec<_> = dates.iter().filter_map(|date| date::read(date)).collect();
    // Two that differ: nobody can say which one is meant.
    let own = readings.first().filter(|first| readings.iter().all(|other| other.seconds == first.seconds));
    if let Some(own) = own.filter(|own| own.has_time) {
        return Ok(Created::of(*own, None));
    }
    let received = fields.values("Received").find_map(|field| received(&field)).filter(|reading| reading.has_time);
    if let Some(received) = received {
        return Ok(Created::of(received, Some(ItemRemark::CreatedAtFromReceived)));
    }
    if let Some(separator) = separator {
        return Ok(Created::of(separator, Some(ItemRemark::CreatedAtFromMbox)));
    }
    if let Some(own) = own {
        return Ok(Created::of(*own, None));
    }
    Err(match dates.as_slice() {
        [] => "has no date, and no Received field or mbox line that has one".to_owned(),
        [date] => format!(
            "has a date that cannot be read beyond doubt ({:?}), and no Received field or mbox line that has one",
            printable(date.trim()).chars().take(SHOWN_MAX).collect::<String>()
        ),
        _ => "has several dates that differ or cannot be read, and no Received field or mbox line that has one"
            .to_owned(),
    })
}

/// The date of a `Received` field: behind its last semicolon.
fn received(field: &str) -> Option<Reading> {
    let (rest, comment) = field.rsplit_once(';')?;
    // The semicolon may be one of a comment behind the date.
    date::read(comment).or_else(|| date::read(rest.rsplit_once(';')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, separator: Option<&str>) -> Result<(String, Vec<ItemRemark>), String> {
        let separator = separator.and_then(date::read);
        let created = created(&Fields::of(header.as_bytes()), separator)?;
        let time = jiff::Timestamp::from_second(created.seconds).unwrap().to_string();
        Ok((time, created.remarks.into_iter().collect()))
    }

    const RECEIVED: &str = "Received: from a (b; c) by d\n\twith e; Mon, 23 Sep 2002 10:00:00 +0200 (CEST; x)\n\
        Received: by f; Sun, 22 Sep 2002 10:00:00 +0000\n";
    const MBOX: &str = "Tue Sep 24 12:00:00 2002";

    #[test]
    fn the_date_of_the_message_comes_first() {
        let date = format!("Date: Sat, 21 Sep 2002 08:18:08 -0400\n{RECEIVED}");
        assert_eq!(of(&date, Some(MBOX)), Ok(("2002-09-21T12:18:08Z".to_owned(), vec![])));
        let twice = date.repeat(2);
        assert_eq!(of(&twice, None), Ok(("2002-09-21T12:18:08Z".to_owned(), vec![])));
    }

    #[test]
    fn what_was_assumed_is_remarked() {
        let date = |date: &str| of(&format!("Date: {date}\n"), None).unwrap();
        let day = "2002-09-21T08:18:08Z".to_owned();
        assert_eq!(date("Sat Sep 21 08:18:08 2002"), (day.clone(), vec![ItemRemark::CreatedAtZoneAssumed]));
        assert_eq!(date("Mon, 21 Sep 2002 08:18:08 +0000"), (day, vec![ItemRemark::CreatedAtWeekdayDiffers]));
        assert_eq!(date("Sat, 21 Sep 2002"), ("2002-09-21T00:00:00Z".to_owned(), vec![ItemRemark::CreatedAtDayOnly]));
    }

    #[test]
    fn a_date_that_leaves_a_doubt_is_taken_from_elsewhere() {
        let received = ("2002-09-23T08:00:00Z".to_owned(), vec![ItemRemark::CreatedAtFromReceived]);
        let mbox =
            ("2002-09-24T12:00:00Z".to_owned(), vec![ItemRemark::CreatedAtFromMbox, ItemRemark::CreatedAtZoneAssumed]);
        for date in ["09/21/2002", "Sat, 21 Sep 2002", "", "1 Jan 1900 00:00:00 GMT"] {
            assert_eq!(of(&format!("Date: {date}\n{RECEIVED}"), Some(MBOX)), Ok(received.clone()), "{date}");
            assert_eq!(of(&format!("Date: {date}\n"), Some(MBOX)), Ok(mbox.clone()), "{date}");
        }
        assert_eq!(of(RECEIVED, Some(MBOX)), Ok(received.clone()));
        let two = "Date: Sat, 21 Sep 2002 08:18:08 +0000\nDate: Sun, 22 Sep 2002 08:18:08 +0000\n";
        assert_eq!(of(&format!("{two}{RECEIVED}"), None), Ok(received));
        let unreadable = format!("Date: x\nReceived: no date\nReceived: by a; yesterday\n{RECEIVED}");
        assert_eq!(of(&unreadable, None).unwrap().0, "2002-09-23T08:00:00Z");
    }

    #[test]
    fn what_stays_ambiguous_is_refused() {
        let reason = |header: &str| of(header, None).unwrap_err();
        assert_eq!(reason("From: a@b\n"), "has no date, and no Received field or mbox line that has one");
        assert_eq!(
            reason("Date: 09/21/2002\u{1b}[2J\n"),
            "has a date that cannot be read beyond doubt (\"09/21/2002\u{fffd}[2J\"), and no Received field or mbox line \
             that has one"
        );
        assert!(reason("Date: 1 Jan 2024 10:00:00 GMT\nDate: 2 Jan 2024 10:00:00 GMT\n").starts_with("has several"));
    }
}
