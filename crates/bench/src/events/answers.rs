//! Answers as rows of whole numbers, so that they can be held against those of peers (`peers/questions.py` says which).

use anyhow::{Context, Result, bail, ensure};
use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::{QueryMetricResponse, Row};

use super::DAY;

/// What Daybook answered, and how fast.
pub(super) struct OurAnswer {
    /// The peers' name of the question.
    pub(super) question: &'static str,
    /// What half of the callers waited at most, in milliseconds.
    pub(super) p50_ms: f64,
    /// What 99 of 100 waited at most, in milliseconds.
    pub(super) p99_ms: f64,
    /// The numbers of the answer.
    pub(super) rows: Vec<Vec<i64>>,
}

/// The numbers of an answer that peers give as well.
pub(super) fn rows(question: &str, answer: &QueryMetricResponse) -> Result<Vec<Vec<i64>>> {
    let names: &[&str] = match question {
        "usage" => &["period_start", "events", "actors"],
        "weeks" => &["period_start", "actors"],
        "retention" => &["period_start", "n", "actors"],
        "funnel" => &["step", "actors"],
        _ => bail!("no peer is asked {question}"),
    };
    let place = |name: &&str| answer.columns.iter().position(|column| column.name == **name);
    let places = names.iter().map(place).collect::<Option<Vec<_>>>().context("a column is missing")?;
    let numbers = |row: &Row| places.iter().map(|place| number(row, *place)).collect::<Result<Vec<_>>>();
    let mut rows = answer.rows.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    match question {
        "weeks" => {
            rows.retain(|row| row.first() != Some(&ALL_PERIODS));
            // The first week is cut to the range. 1970 began on a Thursday.
            rows.iter_mut().filter_map(|row| row.first_mut()).for_each(|day| *day -= (*day + 3) % 7);
        }
        "retention" => rows.retain(|row| row.first() != Some(&ALL_PERIODS) && row.last() != Some(&0)),
        _ => {}
    }
    Ok(rows)
}

/// The day of a row that is of the whole range.
const ALL_PERIODS: i64 = 0;

fn number(row: &Row, place: usize) -> Result<i64> {
    let cell = row.cells.get(place).context("a row is short")?;
    match &cell.value {
        Some(Value::Integer(number)) => Ok(*number),
        Some(Value::Time(time)) => Ok(time.seconds.div_euclid(DAY as i64)),
        None => Ok(ALL_PERIODS),
        Some(other) => bail!("not a number that can be compared: {other:?}"),
    }
}

/// An error that shows the first difference, if a peer gives other numbers.
pub(super) fn ensure_same(who: &str, ours: &OurAnswer, theirs: &[Vec<i64>]) -> Result<()> {
    let question = ours.question;
    for (ours, theirs) in ours.rows.iter().zip(theirs) {
        ensure!(ours == theirs, "{question}: {who} answers {theirs:?}, Daybook {ours:?}");
    }
    let (count, of_theirs) = (ours.rows.len(), theirs.len());
    ensure!(count == of_theirs, "{question}: {who} answers with {of_theirs} rows, Daybook with {count}");
    Ok(())
}
