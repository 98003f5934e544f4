//! Rust: a type for each event, made of its required properties; optional ones are added by methods, so that a schema
//! that gains one breaks no program.

use std::fmt::Write;

use daybook_proto::product_analytics::v1::{EventSchema, PropertySchema, PropertyType};

use super::names::{Taken, comment, pascal};

const FIXED: &str = include_str!("templates/client.rs");

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// What the fixed part declares or imports, and what every file of Rust knows.
const TYPES: &[&str] = &[
    "Arc",
    "AsMut",
    "AsRef",
    "Box",
    "Client",
    "Clone",
    "Condvar",
    "Context",
    "Copy",
    "Debug",
    "Default",
    "DoubleEndedIterator",
    "Drop",
    "Duration",
    "Eq",
    "Err",
    "Event",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Hash",
    "Instant",
    "Into",
    "IntoIterator",
    "Iterator",
    "Map",
    "Mutex",
    "MutexGuard",
    "None",
    "Ok",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "PoisonError",
    "Properties",
    "Result",
    "Self",
    "Send",
    "Sender",
    "Shared",
    "Sized",
    "Some",
    "State",
    "String",
    "Sync",
    "SystemTime",
    "ToOwned",
    "ToString",
    "Transport",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Uuid",
    "Value",
    "Vec",
    "VecDeque",
    "WrongValue",
];

pub(super) fn generate(schemas: &[&EventSchema]) -> String {
    let (mut out, mut taken) = (FIXED.to_owned(), Taken::new(TYPES));
    // The names of events first: an enumeration of one event does not change the name of another.
    let names: Vec<String> = schemas.iter().map(|schema| taken.claim(pascal(&schema.name))).collect();
    for (schema, name) in schemas.iter().zip(&names) {
        let of: Vec<Parameter> =
            schema.properties.iter().map(|property| parameter(property, name, &mut taken, &mut out)).collect();
        write_event(schema, name, &of, &mut out);
    }
    out
}

/// A property as a parameter.
struct Parameter {
    of: String,
    /// What puts the value of a variable, whose name stands where `{}` does, among the properties.
    put: String,
}

fn parameter(property: &PropertySchema, event: &str, taken: &mut Taken, out: &mut String) -> Parameter {
    let PropertySchema { name, minimum, maximum, .. } = property;
    let bounded = |of: &str, method: &str| Parameter {
        of: of.to_owned(),
        put: format!("{method}(\"{name}\", {{}}, {minimum}, {maximum})"),
    };
    match property.r#type() {
        PropertyType::Enum => {
            let of = taken.claim(format!("{event}{}", pascal(name)));
            write_enum(&of, property, event, out);
            Parameter { of, put: format!("put(\"{name}\", Value::from({{}}.as_str()))") }
        }
        PropertyType::Boolean => {
            Parameter { of: "bool".to_owned(), put: format!("put(\"{name}\", Value::from({{}}))") }
        }
        PropertyType::Duration => bounded("Duration", "length"),
        PropertyType::Integer | PropertyType::Money => bounded("i64", "number"),
        PropertyType::OpaqueId | PropertyType::Unspecified => {
            Parameter { of: "impl Into<String>".to_owned(), put: format!("id(\"{name}\", {{}}.into())") }
        }
    }
}

fn write_enum(of: &str, property: &PropertySchema, event: &str, out: &mut String) {
    // `Self` is the one word that no variant may be called.
    let mut taken = Taken::new(&["Self"]);
    let (mut variants, mut words) = (String::new(), String::new());
    for value in &property.values {
        let variant = taken.claim(pascal(value));
        let _ = writeln!(variants, "    /// `{value}`\n    {variant},");
        let _ = writeln!(words, "            Self::{variant} => \"{value}\",");
    }
    let _ = write!(
        out,
        r#"
/// `{}` of [`{event}`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum {of} {{
{variants}}}

impl {of} {{
    /// As the schema has it.
    pub fn as_str(self) -> &'static str {{
        match self {{
{words}        }}
    }}
}}
"#,
        property.name
    );
}

fn write_event(schema: &EventSchema, name: &str, parameters: &[Parameter], out: &mut String) {
    let mut about = comment(&schema.description);
    if about.is_empty() {
        about = format!("The event {}.", schema.name);
    }
    let deprecated = if schema.deprecated_at.is_some() {
        "    #[deprecated(note = \"it is on its way out; see its schema\")]\n"
    } else {
        ""
    };
    let (mut of_new, mut puts, mut says, mut setters) = (String::new(), String::new(), String::new(), String::new());
    let (mut taken_parameters, mut taken_methods) = (Taken::new(KEYWORDS), Taken::new(KEYWORDS));
    // Used inside of `new`, and methods of the type.
    taken_parameters.claim("properties".to_owned());
    for method in ["new", "into_properties"] {
        taken_methods.claim(method.to_owned());
    }
    for (property, Parameter { of, put }) in schema.properties.iter().zip(parameters) {
        let said = super::says(property);
        if property.required {
            let parameter = taken_parameters.claim(property.name.clone());
            let _ = write!(of_new, "{parameter}: {of}, ");
            let _ = writeln!(puts, "        properties.{};", put.replace("{}", &parameter));
            let _ = writeln!(says, "    ///\n    /// `{parameter}`: {said}");
        } else {
            let method = taken_methods.claim(property.name.clone());
            let _ = write!(
                setters,
                "\n    /// {said}\n    #[must_use]\n    pub fn {method}(mut self, value: {of}) -> Self {{\n        \
                 self.0.{};\n        self\n    }}\n",
                put.replace("{}", "value")
            );
        }
    }
    let binding = if puts.is_empty() { "let properties" } else { "let mut properties" };
    let _ = write!(
        out,
        r#"
/// {about}
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an event counts when a client records it"]
pub struct {name}(Properties);

impl {name} {{
    /// The event with what it must have.
{says}{deprecated}    pub fn new({}) -> Self {{
        {binding} = Properties::default();
{puts}        Self(properties)
    }}
{setters}}}

impl Event for {name} {{
    const NAME: &'static str = "{}";
    const VERSION: u32 = {};

    fn into_properties(self) -> Properties {{
        self.0
    }}
}}
"#,
        of_new.trim_end_matches(", "),
        schema.name,
        schema.version
    );
}
