//! What the events mean: one row for each registered event.

use daybook_columnar::{Column, Table};
use daybook_proto::product_analytics::v1::{EventMeaning, EventSchema};
use product_analytics_projection::{Tables, registry};

use crate::{ExportError, Files};

pub(crate) fn write(tables: &Tables<'_>, files: &mut Files<'_, '_>) -> Result<(), ExportError> {
    let registry = registry::registry(tables)?;
    let text = |of: &dyn Fn(&EventSchema) -> String| {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Column::Text(registry.schemas.iter().map(|schema| some(of(schema))).collect())
    };
    let meaning = |schema: &EventSchema| match schema.meaning() {
        EventMeaning::Unspecified => String::new(),
        meaning => meaning.as_str_name().trim_start_matches("EVENT_MEANING_").to_lowercase(),
    };
    let versions = registry.schemas.iter().map(|schema| Some(i64::from(schema.version)));
    let table = Table::new()
        .with("event", text(&|schema| schema.name.clone()))?
        .with("version", Column::Integer(versions.collect()))?
        .with("feature", text(&|schema| schema.feature.clone()))?
        .with("purpose", text(&|schema| schema.purpose.clone()))?
        .with("meaning", text(&meaning))?
        .with("description", text(&|schema| schema.description.clone()))?;
    files.add("schemas/part-00000.parquet".to_owned(), &table, &[("registry", &registry.hash)])
}
