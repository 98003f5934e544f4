//! Python: a method of a class for each event, properties as keyword arguments, enumerations as `Literal`.

use std::fmt::Write;

use daybook_proto::product_analytics::v1::{EventSchema, PropertyType};

use super::names::{Taken, comment, pascal, snake};

const FIXED: &str = include_str!("templates/client.py");

/// Words of the language, and names that a type checker looks up inside of the class.
const MEMBERS: &[&str] = &[
    "and",
    "as",
    "assert",
    "async",
    "await",
    "bool",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "flush",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "int",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "set_context",
    "str",
    "try",
    "while",
    "with",
    "yield",
];
const PARAMETERS: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "context", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or",
    "pass", "raise", "return", "self", "try", "while", "with", "yield",
];
/// What the fixed part declares or imports.
const TYPES: &[&str] = &[
    "Callable",
    "Context",
    "DaybookEvents",
    "Deque",
    "Dict",
    "EventClient",
    "List",
    "Literal",
    "None",
    "True",
    "False",
    "Optional",
    "Sequence",
    "Tuple",
    "Union",
];

pub(super) fn generate(schemas: &[&EventSchema]) -> String {
    let (mut types, mut taken_types) = (String::new(), Taken::new(TYPES));
    let (mut methods, mut taken_methods) = (String::new(), Taken::new(MEMBERS));
    for schema in schemas {
        let method = taken_methods.claim(snake(&schema.name));
        write_method(schema, &method, &mut types, &mut taken_types, &mut methods);
    }
    format!("{FIXED}\n{types}\n\nclass DaybookEvents(EventClient):\n    \"\"\"The events.\"\"\"\n{methods}")
}

fn write_method(schema: &EventSchema, method: &str, types: &mut String, taken_types: &mut Taken, methods: &mut String) {
    let (mut parameters, mut values, mut about) = (String::new(), String::new(), String::new());
    let mut taken = Taken::new(PARAMETERS);
    for property in &schema.properties {
        let (name, of) = (&property.name, property.r#type());
        let parameter = taken.claim(name.clone());
        let (of, value) = match of {
            PropertyType::Enum => {
                let of = taken_types.claim(format!("{}{}", pascal(&schema.name), pascal(name)));
                let words: Vec<String> = property.values.iter().map(|value| format!("\"{value}\"")).collect();
                let words = words.join(", ");
                // A tuple of one needs its comma.
                let comma = if property.values.len() == 1 { "," } else { "" };
                let _ = writeln!(types, "{of} = Literal[{words}]");
                (of, format!("_word(\"{name}\", {parameter}, ({words}{comma}))"))
            }
            PropertyType::Boolean => ("bool".to_owned(), format!("_flag(\"{name}\", {parameter})")),
            PropertyType::Integer | PropertyType::Duration | PropertyType::Money => {
                let (minimum, maximum) = (property.minimum, property.maximum);
                ("int".to_owned(), format!("_number(\"{name}\", {parameter}, {minimum}, {maximum})"))
            }
            PropertyType::OpaqueId | PropertyType::Unspecified => {
                ("str".to_owned(), format!("_id(\"{name}\", {parameter})"))
            }
        };
        let _ = if property.required {
            writeln!(parameters, "        {parameter}: {of},")
        } else {
            writeln!(parameters, "        {parameter}: Optional[{of}] = None,")
        };
        let _ = writeln!(values, "            {value},");
        let _ = write!(about, "\n        {parameter}: {}", super::says(property));
    }
    let mut head = comment(&schema.description);
    if head.is_empty() {
        head = format!("Records {}.", schema.name);
    }
    if schema.deprecated_at.is_some() {
        head.push_str(" Deprecated: it is on its way out; see its schema.");
    }
    // A quotation mark at the end would run into those that end the text.
    let end = if about.is_empty() { "" } else { "\n        " };
    let about = if about.is_empty() { String::new() } else { format!("\n{about}") };
    let (star, before_context) = if parameters.is_empty() { ("", "*, ") } else { ("        *,\n", "") };
    let _ = write!(
        methods,
        r#"
    def {method}(
        self,
{star}{parameters}        {before_context}context: Optional[Context] = None,
    ) -> None:
        """{}{about}{end}"""
        self._record(
            "{}",
            {},
            context,
{values}        )
"#,
        head.trim_end_matches('"'),
        schema.name,
        schema.version,
    );
}
