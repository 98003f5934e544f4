//! The events, a folder for each day.

use daybook_columnar::{Column, Table};
use daybook_kernel::time::Timestamp;
use product_analytics_projection::export::{Export, ExportedEvents, ExportedValues, Holds};
use product_analytics_projection::{DAY_MS, Tables};

use crate::manifest::ManifestEvents;
use crate::{ExportError, Files};

/// Columns that every event has; `date` comes from the folder.
const OWN: [&str; 4] = ["date", "time", "event", "actor"];

pub(crate) fn write(
    tables: &Tables<'_>,
    (start, end): (Timestamp, Timestamp),
    files: &mut Files<'_, '_>,
) -> Result<ManifestEvents, ExportError> {
    let ms = |time: Timestamp| time.as_micros().div_euclid(1_000);
    let export = Export::open(tables, ms(start), ms(end))?;
    let columns = columns(&export);
    let (mut rows, mut left_out) = (0, 0);
    for day in export.days()? {
        let date = Timestamp::from_micros(day.saturating_mul(DAY_MS).saturating_mul(1_000)).to_string();
        let date = date.get(..10).unwrap_or(&date).to_owned();
        let mut part = 0u32;
        left_out += export.day(day, |events| {
            rows += events.len() as u64;
            let name = format!("events/date={date}/part-{part:05}.parquet");
            part += 1;
            files.add(name, &table(&export, &columns, events)?, &[])
        })?;
    }
    let own = OWN.iter().skip(1).map(ToString::to_string);
    let columns = own.chain(columns).collect();
    Ok(ManifestEvents { rows, columns, suppress_below: export.suppress_below(), left_out })
}

/// The columns of properties. One that is called like a column that every event has gets another name.
fn columns(export: &Export<'_>) -> Vec<String> {
    let is_taken = |name: &str| OWN.contains(&name) || export.properties().iter().any(|property| property.name == name);
    let name = |name: &String| {
        if !OWN.contains(&name.as_str()) {
            return name.clone();
        }
        let mut name = format!("property_{name}");
        while is_taken(&name) {
            name.push('_');
        }
        name
    };
    export.properties().iter().map(|property| name(&property.name)).collect()
}

fn table(export: &Export<'_>, columns: &[String], events: ExportedEvents) -> Result<Table, ExportError> {
    let ExportedEvents { times_ms, names, actors, properties } = events;
    let actor = |actor: u32| (actor != 0).then_some(i64::from(actor));
    let mut table = Table::new()
        .with("time", Column::Time(times_ms.into_iter().map(Some).collect()))?
        .with("event", words(export.names().to_vec(), names.into_iter().map(Some).collect()))?
        .with("actor", Column::Integer(actors.into_iter().map(actor).collect()))?;
    for ((name, property), values) in columns.iter().zip(export.properties()).zip(properties) {
        let ExportedValues { values, words: known } = values;
        let column = match property.holds {
            Holds::Numbers => Column::Integer(values),
            Holds::Booleans => Column::Boolean(values.into_iter().map(|value| value.map(|value| value != 0)).collect()),
            Holds::Words => words(
                known,
                values.into_iter().map(|value| value.and_then(|value| u32::try_from(value).ok())).collect(),
            ),
        };
        table = table.with(name, column)?;
    }
    Ok(table)
}

fn words(words: Vec<String>, places: Vec<Option<u32>>) -> Column {
    Column::Words { words, places }
}
