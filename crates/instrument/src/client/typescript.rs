//! TypeScript: a method of a class for each event, enumerations as unions of strings.

use std::fmt::Write;

use daybook_event_rules::schema_rules::has_bounds;
use daybook_proto::product_analytics::v1::{EventSchema, PropertyType};

use super::names::{Taken, camel, comment, pascal};

const FIXED: &str = include_str!("templates/client.ts");

/// What objects have by themselves, and the class before events.
const MEMBERS: &[&str] = &[
    "constructor",
    "flush",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "record",
    "setContext",
    "toLocaleString",
    "toString",
    "valueOf",
];
/// Types that the fixed part declares or uses.
const TYPES: &[&str] = &[
    "Array",
    "Batch",
    "Context",
    "Date",
    "DaybookEvents",
    "Error",
    "EventClient",
    "JSON",
    "Math",
    "Number",
    "Options",
    "Platform",
    "Promise",
    "RangeError",
    "Readonly",
    "Record",
    "RecordedEvent",
    "RegExp",
    "Response",
    "String",
    "Uint8Array",
];

pub(super) fn generate(schemas: &[&EventSchema]) -> String {
    let (mut types, mut taken_types) = (String::new(), Taken::new(TYPES));
    let (mut methods, mut taken_methods) = (String::new(), Taken::new(MEMBERS));
    for schema in schemas {
        let method = taken_methods.claim(camel(&schema.name));
        write_method(schema, &method, &mut types, &mut taken_types, &mut methods);
    }
    format!(
        "{FIXED}{types}\n/** The events. */\nexport class DaybookEvents extends EventClient {{\n{}}}\n",
        methods.trim_start_matches('\n')
    )
}

fn write_method(schema: &EventSchema, method: &str, types: &mut String, taken_types: &mut Taken, methods: &mut String) {
    let mut fields = String::new();
    for property in &schema.properties {
        let of = match property.r#type() {
            PropertyType::Enum => {
                let name = taken_types.claim(format!("{}{}", pascal(&schema.name), pascal(&property.name)));
                let values: Vec<String> = property.values.iter().map(|value| format!("\"{value}\"")).collect();
                let _ = write!(types, "\nexport type {name} = {};\n", values.join(" | "));
                name
            }
            PropertyType::Boolean => "boolean".to_owned(),
            PropertyType::Integer | PropertyType::Duration | PropertyType::Money => "number".to_owned(),
            PropertyType::OpaqueId | PropertyType::Unspecified => "string".to_owned(),
        };
        let _ = writeln!(fields, "    /** {} */", super::says(property));
        let mark = if property.required { "" } else { "?" };
        let or = if property.required { "" } else { " | undefined" };
        let _ = writeln!(fields, "    {}{mark}: {of}{or};", property.name);
    }
    let object = if fields.is_empty() { "Record<string, never>".to_owned() } else { format!("{{\n{fields}  }}") };
    let default = if schema.properties.iter().any(|property| property.required) { "" } else { " = {}" };
    let bounded = schema.properties.iter().filter(|property| has_bounds(property.r#type()));
    let bounds: Vec<String> = bounded
        .map(|property| format!("[\"{}\", {}, {}]", property.name, property.minimum, property.maximum))
        .collect();
    let ids = schema.properties.iter().filter(|property| property.r#type() == PropertyType::OpaqueId);
    let ids: Vec<String> = ids.map(|property| format!("\"{}\"", property.name)).collect();

    let mut about = comment(&schema.description);
    if about.is_empty() {
        about = format!("Records {}.", schema.name);
    }
    if schema.deprecated_at.is_some() {
        about.push_str(" @deprecated It is on its way out; see its schema.");
    }
    let _ = write!(
        methods,
        r#"
  /** {about} */
  {method}(properties: {object}{default}, context: Context = {{}}): void {{
    this.record("{}", {}, properties, context, [{}], [{}]);
  }}
"#,
        schema.name,
        schema.version,
        bounds.join(", "),
        ids.join(", ")
    );
}
