//! The properties of an event as they are put together.

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::Refusal;
use prost_types::value::Kind;
use prost_types::{Struct, Value};

use crate::names::{self, Name, Problem};
use crate::{LeftOut, PROPERTIES_MAX, Why};

/// Names of facts about a person, or that one is known by, alone or as the last words of a name (`clientIp`). What they
/// hold may not be recorded under any schema, and SDKs and programs add them out of habit: without them the event is
/// good.
const ABOUT_PERSONS: &[&str] = &[
    "address",
    "advertising_id",
    "anonymous_id",
    "api_key",
    "authorization",
    "avatar",
    "birth_date",
    "birthday",
    "cookie",
    "date_of_birth",
    "device_id",
    "device_token",
    "display_name",
    "email",
    "first_name",
    "full_name",
    "idfa",
    "ip",
    "last_name",
    "latitude",
    "longitude",
    "nickname",
    "password",
    "phone",
    "phone_number",
    "remote_addr",
    "session_id",
    "ssn",
    "user_agent",
    "user_id",
    "user_name",
    "username",
    "write_key",
];

/// Names that are left out whole, with what is in them, but may end another name (`search_context`).
const LEFT_OUT_WHOLE: &[&str] = &["context", "person", "traits", "user", "user_traits"];

/// Properties of one event.
pub(crate) struct Properties {
    /// What the input calls them.
    field: &'static str,
    fields: BTreeMap<String, Value>,
    left_out: LeftOut,
}

impl Properties {
    pub(crate) fn new(field: &'static str) -> Self {
        Self { field, fields: BTreeMap::new(), left_out: LeftOut::new() }
    }

    /// The name of a property.
    pub(crate) fn name(&self, text: &str) -> Result<Name, Why> {
        names::word(text).map_err(|problem| why(problem, self.field))
    }

    /// Adds a property, or leaves it out by its name.
    pub(crate) fn add(&mut self, name: Name, kind: Kind) -> Result<(), Why> {
        if let Some(fact) = fact_about_a_person(name.as_str()) {
            self.leave_out(Name::fixed(fact), Refusal::AboutAPerson);
            return Ok(());
        }
        if self.fields.insert(name.into_string(), Value { kind: Some(kind) }).is_some() {
            return Err(Why::SameName { field: self.field });
        }
        if self.fields.len() > PROPERTIES_MAX {
            return Err(Why::TooManyProperties { field: self.field });
        }
        Ok(())
    }

    /// Counts a property that does not pass.
    pub(crate) fn leave_out(&mut self, name: Name, why: Refusal) {
        *self.left_out.entry((name.into_string(), why)).or_default() += 1;
    }

    /// All of them, and what did not pass.
    pub(crate) fn finish(self) -> (Option<Struct>, LeftOut) {
        let fields = (!self.fields.is_empty()).then_some(Struct { fields: self.fields });
        (fields, self.left_out)
    }
}

/// Why a field does not become a name.
pub(crate) fn why(problem: Problem, field: &'static str) -> Why {
    match problem {
        Problem::Letters => Why::BadName { field },
        Problem::TooLong => Why::TooLong { field },
        Problem::Personal => Why::PersonalData { field },
    }
}

/// The fact about a person that a property is named after, for which it is left out.
pub(crate) fn fact_about_a_person(name: &str) -> Option<&'static str> {
    let ends_with =
        |words: &&&str| name.strip_suffix(**words).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    LEFT_OUT_WHOLE.iter().find(|whole| **whole == name).or_else(|| ABOUT_PERSONS.iter().find(ends_with)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_about_persons_are_known_by_their_names() {
        for (name, fact) in [
            ("email", "email"),
            ("ip", "ip"),
            ("client_ip", "ip"),
            ("user_agent", "user_agent"),
            ("billing_first_name", "first_name"),
            ("traits", "traits"),
            ("context", "context"),
        ] {
            assert_eq!(fact_about_a_person(name), Some(fact), "{name}");
        }
        for name in ["skip", "emails_sent", "name", "search_context", "tooltip", "format", "user_count"] {
            assert_eq!(fact_about_a_person(name), None, "{name}");
        }
    }

    #[test]
    fn the_bound_holds() {
        let mut properties = Properties::new("properties");
        let mut add = |name: &str| properties.add(properties.name(name)?, Kind::BoolValue(true));
        for i in 0..PROPERTIES_MAX {
            assert_eq!(add(&format!("p{i}")), Ok(()));
        }
        assert_eq!(add("email"), Ok(()), "left out, so not one too many");
        assert_eq!(add("more"), Err(Why::TooManyProperties { field: "properties" }));
    }
}
