//! What may be registered as the schema of an event, and what a newer version of it may change.
//!
//! A schema only grows: what was recorded under an older version must still be readable by the newest one, and nothing
//! that was collected may serve another purpose afterwards. So [`breaks`] lets a version add optional properties, add
//! values at the end of an enumeration and widen bounds, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use daybook_kernel::fields::{Fields, identifier_problem};
use daybook_kernel::rejection::Violations;
use daybook_proto::product_analytics::v1::{EventMeaning, EventSchema, PropertySchema, PropertyType};

/// Characters of the name of an event.
pub const EVENT_NAME_CHARS_MAX: usize = 100;
/// Characters of a name that is one word.
pub const NAME_CHARS_MAX: usize = 64;
/// Properties of an event.
pub const PROPERTIES_MAX: usize = 50;
/// Values of an enumeration.
pub const VALUES_MAX: usize = 1_000;
/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 500;
/// The largest number, and the smallest without its sign: events travel as JSON, whose numbers are doubles, and beyond
/// 2^53 - 1 two whole numbers may be one double.
pub const NUMBER_MAX: i64 = (1 << 53) - 1;
/// The property that says how an answer was judged.
pub const SCORE: &str = "score";

/// What is wrong with a name that is one word (of a property, a value, a purpose, a feature), if anything.
pub fn name_problem(name: &str) -> Option<&'static str> {
    let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() {
        Some("must not be empty")
    } else if name.len() > NAME_CHARS_MAX {
        Some("must have at most 64 characters")
    } else if !begins_well || !name.bytes().all(allowed) {
        Some("must begin with a-z and consist of a-z 0-9 _")
    } else {
        None
    }
}

/// What is wrong with the name of an event, if anything: words joined by dots.
pub fn event_name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("must not be empty")
    } else if name.len() > EVENT_NAME_CHARS_MAX {
        Some("must have at most 100 characters")
    } else if name.split('.').any(|word| name_problem(word).is_some()) {
        Some("must be words of a-z 0-9 _ that begin with a-z, joined by dots, for example copilot.answer_shown")
    } else {
        None
    }
}

/// What is wrong with the value of a currency, if anything: three capital letters, as ISO 4217 has them.
pub fn currency_problem(currency: &str) -> Option<&'static str> {
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    (!is_code).then_some("must be the three capital letters of ISO 4217, for example EUR")
}

/// Whether a type has bounds.
pub fn has_bounds(of: PropertyType) -> bool {
    matches!(of, PropertyType::Integer | PropertyType::Duration | PropertyType::Money)
}

/// Whether `new` says what `old` says, version included: registering it changes nothing.
pub fn is_same(old: &EventSchema, new: &EventSchema) -> bool {
    old == new
}

/// Whether a schema may be registered, whatever was registered before.
///
/// # Errors
/// Every field that is wrong.
pub fn check(schema: &EventSchema) -> Result<(), Violations> {
    let mut fields = Fields::new();
    if let Some(problem) = event_name_problem(&schema.name) {
        fields.wrong("name", problem);
    }
    fields.check("version", schema.version > 0, "must be 1 or more; the first version is 1");
    fields.text("description", schema.description.clone(), DESCRIPTION_CHARS_MAX);
    optional_name(&mut fields, "feature", &schema.feature);
    if let Some(problem) = name_problem(&schema.purpose) {
        fields.wrong("purpose", format!("{problem}; say what the event is collected for"));
    }
    if let Some(problem) = identifier_problem(&schema.owner).filter(|_| !schema.owner.is_empty()) {
        fields.wrong("owner", problem);
    }
    check_properties(&mut fields, &schema.properties);
    check_meaning(&mut fields, schema);

    let deprecated_at = fields.time("deprecated_at", schema.deprecated_at);
    let refused_after = fields.time("refused_after", schema.refused_after);
    if let (Some(deprecated_at), Some(refused_after)) = (deprecated_at, refused_after) {
        fields.check("refused_after", deprecated_at <= refused_after, "must not be before deprecated_at");
    }
    fields.finish(())
}

fn optional_name(fields: &mut Fields, field: &str, name: &str) {
    if let Some(problem) = name_problem(name).filter(|_| !name.is_empty()) {
        fields.wrong(field, problem);
    }
}

fn check_meaning(fields: &mut Fields, schema: &EventSchema) {
    let Ok(meaning) = EventMeaning::try_from(schema.meaning) else {
        fields.wrong("meaning", format!("{} is not a value of this enumeration", schema.meaning));
        return;
    };
    let is_score = |property: &PropertySchema| property.name == SCORE && property.r#type() == PropertyType::Integer;
    if meaning == EventMeaning::Feedback && !schema.properties.iter().any(is_score) {
        fields.wrong("meaning", "feedback needs a property `score` of type integer; add it, or leave the meaning out");
    }
}

fn check_properties(fields: &mut Fields, properties: &[PropertySchema]) {
    if properties.len() > PROPERTIES_MAX {
        fields.wrong("properties", "must have at most 50 entries");
    }
    let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, property) in properties.iter().enumerate().take(PROPERTIES_MAX) {
        let field = format!("properties[{i}]");
        fields.inside(&field, check_property(property));
        if let Some(first) = first_of.insert(&property.name, i) {
            fields.wrong(&format!("{field}.name"), format!("is the name of properties[{first}] already"));
        }
    }
}

fn check_property(property: &PropertySchema) -> Result<(), Violations> {
    let mut fields = Fields::new();
    if let Some(problem) = name_problem(&property.name) {
        fields.wrong("name", problem);
    }
    fields.text("description", property.description.clone(), DESCRIPTION_CHARS_MAX);
    optional_name(&mut fields, "purpose", &property.purpose);

    // Of an unknown type nothing else can be said.
    let of: PropertyType = fields.enumeration("type", property.r#type);
    if of == PropertyType::Unspecified {
        return fields.finish(());
    }
    if of == PropertyType::Enum {
        check_values(&mut fields, &property.values);
    } else {
        fields.check("values", property.values.is_empty(), "only an enumeration has values");
    }
    if has_bounds(of) {
        check_bounds(&mut fields, property, of);
    } else {
        fields.check("minimum", property.minimum == 0, "only an integer, a duration and an amount have bounds");
        fields.check("maximum", property.maximum == 0, "only an integer, a duration and an amount have bounds");
    }
    if of == PropertyType::Money {
        if let Some(problem) = currency_problem(&property.currency) {
            fields.wrong("currency", problem);
        }
    } else {
        fields.check("currency", property.currency.is_empty(), "only an amount of money has a currency");
    }
    fields.finish(())
}

fn check_values(fields: &mut Fields, values: &[String]) {
    fields.check("values", !values.is_empty(), "must not be empty: an enumeration lists the words that it may hold");
    if values.len() > VALUES_MAX {
        fields.wrong("values", "must have at most 1000 entries");
    }
    let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, value) in values.iter().enumerate().take(VALUES_MAX) {
        if let Some(problem) = name_problem(value) {
            fields.wrong(&format!("values[{i}]"), problem);
        }
        if let Some(first) = first_of.insert(value, i) {
            fields.wrong(&format!("values[{i}]"), format!("is values[{first}] already"));
        }
    }
}

fn check_bounds(fields: &mut Fields, property: &PropertySchema, of: PropertyType) {
    let PropertySchema { minimum, maximum, .. } = *property;
    // Protobuf does not tell 0 from "not set", and nothing is learnt from a number that is always 0.
    if minimum == 0 && maximum == 0 {
        fields.wrong("maximum", "must be set: say between which bounds the number lies");
    }
    fields.check("maximum", minimum <= maximum, "must not be less than minimum");
    for (field, bound) in [("minimum", minimum), ("maximum", maximum)] {
        let is_exact = (-NUMBER_MAX..=NUMBER_MAX).contains(&bound);
        fields.check(
            field,
            is_exact,
            "must lie between -9007199254740991 and 9007199254740991, which JSON keeps exactly",
        );
    }
    if of == PropertyType::Duration {
        fields.check("minimum", minimum >= 0, "must not be negative: it is a length of time");
    }
}

/// Why `new` is no version that may follow `old`; empty if it may, or says the same. Each reason says what to do instead,
/// behind its last semicolon. Both are taken to be schemas of one event for which [`check`] finds nothing.
pub fn breaks(old: &EventSchema, new: &EventSchema) -> Vec<String> {
    if is_same(old, new) {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    if Some(new.version) != old.version.checked_add(1) {
        reasons.push(version_reason(old, new));
    }
    if new.purpose != old.purpose {
        reasons.push(format!(
            "the purpose changes from {} to {}, and what was collected for one may not serve another; keep it, and \
             register an event of another name for the new purpose",
            old.purpose, new.purpose
        ));
    }
    if new.meaning != old.meaning && old.meaning() != EventMeaning::Unspecified {
        reasons.push(format!(
            "the meaning changes from {}, and metrics over the past would change with it; keep it, and register an \
             event of another name",
            old.meaning().as_str_name()
        ));
    }
    let (old_of, new_of) = (by_name(&old.properties), by_name(&new.properties));
    for property in &old.properties {
        match new_of.get(property.name.as_str()) {
            Some(other) => property_breaks(property, other, &mut reasons),
            None => reasons.push(format!(
                "property {} is gone, and events that have it would be refused; keep it, and stop sending it",
                property.name
            )),
        }
    }
    for property in &new.properties {
        let is_new = !old_of.contains_key(property.name.as_str());
        if is_new && property.required {
            reasons.push(format!(
                "property {} is new and required, so that programs of version {} would be refused; make it optional",
                property.name, old.version
            ));
        }
    }
    reasons
}

/// Properties by name; of several of one name the first.
fn by_name(properties: &[PropertySchema]) -> BTreeMap<&str, &PropertySchema> {
    properties.iter().rev().map(|property| (property.name.as_str(), property)).collect()
}

fn version_reason(old: &EventSchema, new: &EventSchema) -> String {
    let (from, to) = (old.version, new.version);
    let Some(next) = from.checked_add(1) else {
        return format!("version {from} is the last there can be; register an event of another name");
    };
    if from == to {
        format!("version {from} says something else already; give the change version {next}")
    } else if to < from {
        format!("version {to} is older than version {from}, which is known already; make the change in version {next}")
    } else {
        format!("version {to} does not follow version {from}; give it version {next}")
    }
}

fn property_breaks(old: &PropertySchema, new: &PropertySchema, reasons: &mut Vec<String>) {
    let name = &old.name;
    if new.r#type != old.r#type {
        reasons.push(format!(
            "property {name} changes its type from {} to {}; keep it, and add a property of another name",
            old.r#type().as_str_name(),
            new.r#type().as_str_name()
        ));
        // Values and bounds of different types are not comparable.
        return;
    }
    let kept: BTreeSet<&String> = new.values.iter().collect();
    let lost: Vec<&str> = old.values.iter().filter(|value| !kept.contains(value)).map(String::as_str).collect();
    if !lost.is_empty() {
        reasons.push(format!("property {name} loses the values {}; keep them, and stop sending them", lost.join(", ")));
    } else if !new.values.starts_with(&old.values) {
        reasons.push(format!(
            "property {name} has its values in another order, and a value is stored as its place; keep the order, and \
             add new ones at the end"
        ));
    }
    if new.minimum > old.minimum {
        reasons.push(format!(
            "property {name} raises its minimum from {} to {}; bounds only widen: keep it at {} or below",
            old.minimum, new.minimum, old.minimum
        ));
    }
    if new.maximum < old.maximum {
        reasons.push(format!(
            "property {name} lowers its maximum from {} to {}; bounds only widen: keep it at {} or above",
            old.maximum, new.maximum, old.maximum
        ));
    }
    if new.currency != old.currency {
        reasons.push(format!(
            "property {name} changes its currency from {} to {}; keep it, and add a property for the other currency",
            old.currency, new.currency
        ));
    }
    if new.required && !old.required {
        reasons.push(format!(
            "property {name} becomes required, so that programs that leave it out would be refused; leave it optional"
        ));
    }
    if new.purpose != old.purpose {
        let said = |purpose: &str| if purpose.is_empty() { "that of the event".to_owned() } else { purpose.to_owned() };
        reasons.push(format!(
            "property {name} changes its purpose from {} to {}, and what was collected for one may not serve another; \
             keep it, and add a property of another name",
            said(&old.purpose),
            said(&new.purpose)
        ));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn property(name: &str, of: PropertyType) -> PropertySchema {
        let mut property = PropertySchema { name: name.into(), ..Default::default() };
        property.set_type(of);
        match of {
            PropertyType::Enum => property.values = vec!["pdf".into(), "docx".into()],
            PropertyType::Money => {
                property.maximum = 1_000;
                property.currency = "EUR".into();
            }
            of if has_bounds(of) => (property.minimum, property.maximum) = (1, 5),
            _ => {}
        }
        property
    }

    fn schema() -> EventSchema {
        EventSchema {
            name: "case.exported".into(),
            version: 1,
            purpose: "product_improvement".into(),
            properties: vec![
                property("format", PropertyType::Enum),
                property("score", PropertyType::Integer),
                property("took", PropertyType::Duration),
                property("price", PropertyType::Money),
                property("case_id", PropertyType::OpaqueId),
                property("is_first", PropertyType::Boolean),
            ],
            ..Default::default()
        }
    }

    /// The fields that are wrong after a change.
    fn wrong(change: impl FnOnce(&mut EventSchema)) -> Vec<String> {
        let mut schema = schema();
        change(&mut schema);
        let violations = check(&schema).err().unwrap_or_default();
        violations.iter().map(|violation| violation.field.clone()).collect()
    }

    fn changed(change: impl FnOnce(&mut EventSchema)) -> Vec<String> {
        let mut new = schema();
        new.version = 2;
        change(&mut new);
        breaks(&schema(), &new)
    }

    #[test]
    fn names_are_words_and_words_joined_by_dots() {
        for good in ["a", "copilot", "answer_2", "trailing_"] {
            assert_eq!((name_problem(good), event_name_problem(good)), (None, None), "{good}");
        }
        assert_eq!(event_name_problem("copilot.answer_shown"), None);
        assert!(name_problem("copilot.answer_shown").is_some(), "one word only");
        for bad in ["", "Answer", "2nd", "_x", "a-b", "a b", "é"] {
            assert!(name_problem(bad).is_some() && event_name_problem(bad).is_some(), "{bad}");
        }
        for bad in [".a", "a.", "a..b", "a.B", "a.1"] {
            assert!(event_name_problem(bad).is_some(), "{bad}");
        }
        assert_eq!((name_problem(&"a".repeat(64)), name_problem(&"a".repeat(65)).is_some()), (None, true));
        let of = |length: usize| format!("{}.{}", "a".repeat(64), "b".repeat(length - 65));
        assert_eq!((event_name_problem(&of(100)), event_name_problem(&of(101)).is_some()), (None, true));
        assert_eq!(
            (currency_problem("EUR"), currency_problem("eur").is_some(), currency_problem("").is_some()),
            (None, true, true)
        );
    }

    #[test]
    fn a_whole_schema_is_good() {
        assert_eq!(check(&schema()), Ok(()));
        assert!(wrong(|schema| schema.properties.clear()).is_empty(), "an event may have no properties");
        assert!(wrong(|schema| schema.owner = "case-team@example.com".into()).is_empty());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        assert_eq!(wrong(|s| s.name = "Case".into()), ["name"]);
        assert_eq!(wrong(|s| s.version = 0), ["version"]);
        assert_eq!(wrong(|s| s.description = "x".repeat(501)), ["description"]);
        assert_eq!(wrong(|s| s.feature = "two words".into()), ["feature"]);
        assert_eq!(wrong(|s| s.purpose.clear()), ["purpose"]);
        assert_eq!(wrong(|s| s.owner = "Ann Lee".into()), ["owner"]);
        assert_eq!(wrong(|s| s.meaning = 99), ["meaning"]);
        assert_eq!(wrong(|s| (s.deprecated_at, s.refused_after) = (time(2), time(1))), ["refused_after"]);
        assert_eq!(wrong(|s| (s.deprecated_at, s.refused_after) = (time(2), time(2))), [""; 0]);
        assert_eq!(wrong(|s| s.deprecated_at = time(i64::MAX)), ["deprecated_at"]);
        assert_eq!(wrong(|s| s.properties[1].name = "format".into()), ["properties[1].name"]);
        assert_eq!(wrong(|s| s.properties[0].r#type = 0), ["properties[0].type"]);
        assert_eq!(wrong(|s| s.properties[0].r#type = 99), ["properties[0].type"]);
        assert_eq!(wrong(|s| s.properties[0].purpose = "Two".into()), ["properties[0].purpose"]);
        let many = |s: &mut EventSchema| {
            s.properties = (0..51).map(|i| property(&format!("p{i}"), PropertyType::Boolean)).collect();
        };
        assert_eq!(wrong(many), ["properties"]);
    }

    #[test]
    fn a_type_has_its_details_and_no_others() {
        assert_eq!(wrong(|s| s.properties[0].values.clear()), ["properties[0].values"]);
        assert_eq!(wrong(|s| s.properties[0].values[1] = "PDF".into()), ["properties[0].values[1]"]);
        assert_eq!(wrong(|s| s.properties[0].values[1] = "pdf".into()), ["properties[0].values[1]"]);
        assert_eq!(wrong(|s| s.properties[0].minimum = 1), ["properties[0].minimum"]);
        assert_eq!(wrong(|s| s.properties[0].currency = "EUR".into()), ["properties[0].currency"]);
        let many = |s: &mut EventSchema| s.properties[0].values = (0..1_001).map(|i| format!("v{i}")).collect();
        assert_eq!(wrong(many), ["properties[0].values"]);

        assert_eq!(wrong(|s| s.properties[1].values.push("a".into())), ["properties[1].values"]);
        assert_eq!(wrong(|s| s.properties[1].minimum = 6), ["properties[1].maximum"]);
        assert_eq!(wrong(|s| s.properties[1].minimum = 5), [""; 0], "one value is a range");
        assert_eq!(wrong(|s| (s.properties[1].minimum, s.properties[1].maximum) = (0, 0)), ["properties[1].maximum"]);
        assert_eq!(wrong(|s| s.properties[1].maximum = NUMBER_MAX + 1), ["properties[1].maximum"]);
        assert_eq!(wrong(|s| s.properties[1].minimum = i64::MIN), ["properties[1].minimum"]);
        assert_eq!(wrong(|s| s.properties[2].minimum = -1), ["properties[2].minimum"]);
        assert_eq!(wrong(|s| s.properties[3].minimum = -1), [""; 0], "money can be given back");
        assert_eq!(wrong(|s| s.properties[3].currency.clear()), ["properties[3].currency"]);
        assert_eq!(wrong(|s| s.properties[4].maximum = 1), ["properties[4].maximum"]);
    }

    #[test]
    fn feedback_needs_a_score() {
        let feedback = |s: &mut EventSchema| s.set_meaning(EventMeaning::Feedback);
        assert_eq!(wrong(feedback), [""; 0]);
        assert_eq!(wrong(|s| (feedback(s), s.properties[1].name = "stars".into()).0), ["meaning"]);
        assert_eq!(wrong(|s| (feedback(s), s.properties[1] = property("score", PropertyType::Boolean)).0), ["meaning"]);
    }

    #[test]
    fn a_version_may_add() {
        let described = |s: &mut EventSchema| {
            (s.description, s.feature, s.owner) = ("more".into(), "export".into(), "team".into());
            s.deprecated_at = Some(prost_types::Timestamp::default());
            s.properties[0].description = "better".into();
        };
        assert_eq!(changed(described), [""; 0]);
        assert_eq!(changed(|s| s.properties.insert(0, property("new", PropertyType::Boolean))), [""; 0]);
        assert_eq!(changed(|s| s.properties.reverse()), [""; 0], "properties are found by name");
        assert_eq!(changed(|s| s.properties[0].values.push("html".into())), [""; 0]);
        assert_eq!(changed(|s| (s.properties[1].minimum, s.properties[1].maximum) = (0, 6)), [""; 0]);
        assert_eq!(changed(|s| s.set_meaning(EventMeaning::InsightAccepted)), [""; 0]);
        assert_eq!(breaks(&schema(), &schema()), [""; 0], "the same again");
        let mut optional = schema();
        (optional.version, optional.properties[0].required) = (2, false);
        let mut required = schema();
        required.properties[0].required = true;
        assert_eq!(breaks(&required, &optional), [""; 0]);
    }

    #[test]
    fn a_version_takes_nothing_away() {
        // What changes, and words of the one reason.
        type Case = (fn(&mut EventSchema), &'static [&'static str]);
        let cases: &[Case] = &[
            (|s| (s.version, s.feature) = (1, "x".into()), &["version 1", "version 2"]),
            (|s| s.version = 3, &["version 3 does not follow version 1", "version 2"]),
            (|s| s.purpose = "marketing".into(), &["purpose", "product_improvement", "marketing"]),
            (|s| drop(s.properties.remove(4)), &["property case_id is gone", "keep it"]),
            (
                |s| s.properties[1] = property("score", PropertyType::Duration),
                &["property score", "INTEGER", "DURATION"],
            ),
            (|s| drop(s.properties[0].values.pop()), &["property format", "docx", "keep"]),
            (|s| s.properties[0].values.insert(0, "html".into()), &["property format", "order", "at the end"]),
            (|s| s.properties[0].values.reverse(), &["property format", "order"]),
            (|s| s.properties[1].minimum = 2, &["property score", "minimum", "1 or below"]),
            (|s| s.properties[1].maximum = 4, &["property score", "maximum", "5 or above"]),
            (|s| s.properties[3].currency = "USD".into(), &["property price", "EUR", "USD"]),
            (|s| s.properties[5].required = true, &["property is_first becomes required"]),
            (|s| s.properties[5].purpose = "sales".into(), &["property is_first", "that of the event", "sales"]),
            (
                |s| s.properties.push(PropertySchema { required: true, ..property("new", PropertyType::Boolean) }),
                &["property new", "optional"],
            ),
        ];
        for (change, words) in cases {
            let reasons = changed(change);
            assert_eq!(reasons.len(), 1, "{reasons:?}");
            assert!(words.iter().all(|word| reasons[0].contains(word)), "{words:?} in {reasons:?}");
        }
    }

    #[test]
    fn a_meaning_stays() {
        let mut old = schema();
        old.set_meaning(EventMeaning::CopilotShown);
        let mut new = EventSchema { version: 2, ..old.clone() };
        assert_eq!(breaks(&old, &new), [""; 0]);
        new.set_meaning(EventMeaning::CopilotUsed);
        assert!(breaks(&old, &new)[0].contains("EVENT_MEANING_COPILOT_SHOWN"));
        new.set_meaning(EventMeaning::Unspecified);
        assert_eq!(breaks(&old, &new).len(), 1);
    }

    #[test]
    fn the_last_version_has_no_next() {
        let old = EventSchema { version: u32::MAX, ..schema() };
        let new = EventSchema { version: 0, ..schema() };
        assert!(breaks(&old, &new)[0].contains("another name"));
    }

    /// Whether a value, as it is recorded, is one of a property's.
    fn takes(property: &PropertySchema, value: i64) -> bool {
        match property.r#type() {
            PropertyType::Enum => usize::try_from(value).is_ok_and(|place| place < property.values.len()),
            _ => (property.minimum..=property.maximum).contains(&value),
        }
    }

    fn any_property() -> impl Strategy<Value = PropertySchema> {
        let of = prop_oneof![Just(PropertyType::Enum), Just(PropertyType::Integer), Just(PropertyType::Money)];
        (of, 1usize..4, -3i64..3, 0i64..4, any::<bool>()).prop_map(|(of, values, minimum, width, required)| {
            let mut property = PropertySchema { required, ..property("p", of) };
            if of == PropertyType::Enum {
                property.values = ["a", "b", "c"][..values].iter().map(|value| (*value).to_owned()).collect();
            } else {
                (property.minimum, property.maximum) = (minimum, minimum + width);
            }
            property
        })
    }

    proptest! {
        #[test]
        fn what_an_old_version_takes_the_new_one_takes(
            old in any_property(), new in prop::option::of(any_property()), value in -4i64..8
        ) {
            let with = |version, property: Option<&PropertySchema>| {
                EventSchema { version, properties: property.cloned().into_iter().collect(), ..schema() }
            };
            if breaks(&with(1, Some(&old)), &with(2, new.as_ref())).is_empty() {
                let new = new.expect("no property is gone");
                prop_assert_eq!(new.r#type, old.r#type);
                prop_assert!(!takes(&old, value) || takes(&new, value));
                prop_assert!(new.values.starts_with(&old.values), "a value keeps its place");
                prop_assert!(old.required || !new.required, "an event without it stays good");
            }
        }

        #[test]
        fn what_is_no_break_adds_up(
            first in any_property(), second in any_property(), third in any_property()
        ) {
            let of = |version, property: &PropertySchema| {
                EventSchema { version, properties: vec![property.clone()], ..schema() }
            };
            let [a, b, c] = [(1, &first), (2, &second), (3, &third)].map(|(version, property)| of(version, property));
            if breaks(&a, &b).is_empty() && breaks(&b, &c).is_empty() {
                prop_assert_eq!(breaks(&a, &EventSchema { version: 2, ..c }), [""; 0]);
            }
        }
    }
}
