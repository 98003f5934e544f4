//! The linter: what is wrong with schema files, and what is likely a mistake.

use daybook_event_rules::{profile, schema_rules};
use daybook_kernel::rejection::Violations;
use daybook_proto::product_analytics::v1::{EventSchema, PropertyType};

use crate::client;
use crate::files::{EventEntry, Files, Place};
use crate::finding::Finding;
use crate::names::Names;

/// Names, or parts of names between `_`, under which personal data tends to lie. Parts such as `name`, `zip` or `page`
/// are not among them: they are harmless more often than not.
const PERSONAL: &[&str] = &[
    "address",
    "birth_date",
    "birthday",
    "birthdate",
    "city",
    "date_of_birth",
    "dob",
    "email",
    "e_mail",
    "fax",
    "first_name",
    "full_name",
    "iban",
    "ip",
    "ip_address",
    "last_name",
    "latitude",
    "login",
    "longitude",
    "mac_address",
    "mail",
    "mobile",
    "passport",
    "password",
    "phone",
    "postcode",
    "real_name",
    "social_security",
    "ssn",
    "street",
    "surname",
    "telephone",
    "user_agent",
    "user_id",
    "user_name",
    "username",
    "zip_code",
];

/// Everything that is found in files, in the order of files and lines.
pub fn lint(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((profile, place)) = &files.profile {
        add_violations(profile::check(profile), "the profile", place, "bad_profile", &mut findings);
    }
    for entry in &files.events {
        let what = if entry.schema.name.is_empty() { "an event" } else { &entry.schema.name };
        add_violations(schema_rules::check(&entry.schema), what, &entry.place, "bad_schema", &mut findings);
        warn(entry, &mut findings);
    }
    same_in_clients(files, &mut findings);
    unused_exceptions(files, &mut findings);
    in_order(findings)
}

/// What the files may not change of schemas that were registered before: those of a registry, or of an older set of
/// files.
pub fn against(files: &Files, older: &[EventSchema]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut old_of: Names<'_, &EventSchema> = Names::default();
    for old in older {
        old_of.add(&old.name, old);
    }
    let mut is_here: Names<'_, ()> = Names::default();
    for EventEntry { schema, place } in &files.events {
        is_here.add(&schema.name, ());
        let Some(old) = old_of.get(&schema.name) else {
            // The version counts what was registered, and nothing was.
            if schema.version > 1 {
                findings.push(Finding::problem(
                    &place.file,
                    place.line_of("version"),
                    "version_too_high",
                    format!("{} is new and has version {}", schema.name, schema.version),
                    "give it version 1",
                ));
            }
            continue;
        };
        for reason in schema_rules::breaks(old, schema) {
            // A reason is "what; what to do".
            let (text, hint) = reason.rsplit_once("; ").unwrap_or((&reason, ""));
            let line = place.line_of(&field_of(&reason, schema));
            let text = format!("{}: {text}", schema.name);
            findings.push(Finding::problem(&place.file, line, "breaking_change", text, hint));
        }
    }
    let is_gone = |old: &&EventSchema| is_here.get(&old.name).is_none();
    // Several teams may share one registry, so this need not be a mistake.
    for old in older.iter().filter(is_gone) {
        let file = files.events.first().map_or("", |entry| &entry.place.file);
        findings.push(Finding::warning(
            file,
            0,
            "event_is_gone",
            format!("{} was there before and is in none of the files; it stays registered", old.name),
            "to retire an event, keep it with deprecated_at and refused_after",
        ));
    }
    in_order(findings)
}

/// The field that a reason of `schema_rules::breaks` is about: reasons begin with `property NAME`, or with the field.
fn field_of(reason: &str, schema: &EventSchema) -> String {
    let mut words = reason.split(' ');
    match (words.next(), words.next()) {
        (Some("property"), Some(name)) => {
            let at = schema.properties.iter().position(|property| property.name == name);
            at.map_or_else(|| "properties".to_owned(), |at| format!("properties[{at}]"))
        }
        (Some("the"), Some(field)) => field.to_owned(),
        _ => "version".to_owned(),
    }
}

fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (&a.file, a.line, a.severity).cmp(&(&b.file, b.line, b.severity)));
    findings
}

fn add_violations(
    checked: Result<(), Violations>,
    what: &str,
    place: &Place,
    code: &'static str,
    findings: &mut Vec<Finding>,
) {
    for violation in checked.err().unwrap_or_default().iter() {
        let (line, field) = (place.line_of(&violation.field), &violation.field);
        // A rule that says what to do says it behind the semicolon.
        let (text, hint) = violation.description.split_once("; ").unwrap_or((&violation.description, ""));
        findings.push(Finding::problem(&place.file, line, code, format!("{what}: {field} {text}"), hint));
    }
}

fn warn(entry: &EventEntry, findings: &mut Vec<Finding>) {
    let EventEntry { schema, place } = entry;
    let mut warn = |field: &str, code, text: String, hint: &str| {
        findings.push(Finding::warning(&place.file, place.line_of(field), code, text, hint));
    };
    let name = &schema.name;
    if schema.description.trim().is_empty() {
        let hint = "say when the event happens: whoever reads a chart has nothing else to go by";
        warn("name", "no_description", format!("{name} has no description"), hint);
    }
    if schema.deprecated_at.is_some() && schema.refused_after.is_none() {
        let hint = "add refused_after, so that programs that send it know by when to change";
        warn("deprecated_at", "no_end", format!("{name} is deprecated, and nothing says until when it is taken"), hint);
    }
    if schema.refused_after.is_some() && schema.deprecated_at.is_none() {
        let hint = "add deprecated_at, some weeks earlier: answers warn from then on";
        warn("refused_after", "no_notice", format!("{name} is refused from some day on without notice"), hint);
    }
    for (i, property) in schema.properties.iter().enumerate() {
        let field = format!("properties[{i}]");
        if let Some(word) = personal(&property.name) {
            warn(
                &field,
                "personal_data",
                format!("{name}: {} is named like personal data ({word})", property.name),
                "leave it out, or give it another name if it is none; who did it belongs in the actor, which becomes a \
                 pseudonym",
            );
        }
        if property.r#type() == PropertyType::Enum && property.values.len() == 1 {
            let hint = "nothing can be told from it: leave it out, or list the other values";
            let text = format!("{name}: {} can only be {}", property.name, property.values[0]);
            warn(&format!("{field}.values"), "one_value", text, hint);
        }
    }
}

/// What in a name of a property points at personal data.
fn personal(name: &str) -> Option<&'static str> {
    let padded = format!("_{name}_");
    PERSONAL.iter().copied().find(|word| padded.contains(&format!("_{word}_")))
}

/// Events whose names come out as one in generated clients, where a dot and a `_` are the same.
fn same_in_clients(files: &Files, findings: &mut Vec<Finding>) {
    let mut first_of: Names<'_, &EventEntry> = Names::default();
    for entry in &files.events {
        let EventEntry { schema, place } = entry;
        let first = first_of.add(client::key(&schema.name), entry);
        if let Some(first) = first.filter(|first| first.schema.name != schema.name) {
            findings.push(Finding::problem(
                &place.file,
                place.line_of("name"),
                "same_in_clients",
                format!(
                    "{} and {} ({}:{}) have one name in typed clients",
                    schema.name, first.schema.name, first.place.file, first.place.line
                ),
                "give one of them a name that differs by more than dots and _",
            ));
        }
    }
}

/// Purposes that need no consent and that nothing is collected for: likely a slip, and then everything is dropped.
fn unused_exceptions(files: &Files, findings: &mut Vec<Finding>) {
    let Some((profile, place)) = files.profile.as_ref().filter(|_| !files.events.is_empty()) else { return };
    let mut used: Names<'_, ()> = Names::default();
    for EventEntry { schema, .. } in &files.events {
        used.add(&schema.purpose, ());
        for property in &schema.properties {
            used.add(&property.purpose, ());
        }
    }
    let is_used = |purpose: &'_ str| used.get(purpose).is_some();
    for (i, purpose) in profile.purposes_without_consent.iter().enumerate().filter(|(_, purpose)| !is_used(purpose)) {
        findings.push(Finding::warning(
            &place.file,
            place.line_of(&format!("purposes_without_consent[{i}]")),
            "unused_purpose",
            format!("nothing in these files is collected for {purpose}"),
            "look for a slip of the pen; ignore this if other files use it",
        ));
    }
}
