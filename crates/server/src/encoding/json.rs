//! Looking through a request in JSON before it is decoded: how much it holds, whether a field is given twice, whether a
//! time is finer than what is kept.
//!
//! JSON lets a name stand twice in an object, and protobuf's mapping gives each field two names (`tenantId` and
//! `tenant_id`). Which of the two a program would read is its own affair (RFC 8259, 4): one check could see a value that
//! another does not, so a field that is given twice is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::limits::{DecodedSize, TooMuch, check_depth};

/// What is wrong with a request.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It holds too much.
    TooMuch(TooMuch),
    /// It is no JSON, or no such message.
    Malformed(serde_json::Error),
}

/// A field whose entries are decoded one by one.
pub(super) type Entries = Option<u32>;

/// Looks through a request, and returns how many bytes it takes when it is decoded, without such entries. What is no
/// message of this type is left to the decoder to name.
pub(super) fn check(bytes: &[u8], message: &MessageDescriptor, entries: Entries) -> Result<usize, Wrong> {
    let sizes = Sizes { rest: DecodedSize::of_request(), entries: DecodedSize::of_entries(), entry: None };
    let state = State { sizes: RefCell::new(sizes), too_much: RefCell::new(None), entries };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let looked = Look { state: &state, what: What::Message(message.clone()), depth: 0 }.deserialize(&mut json);
    match (state.too_much.into_inner(), looked.and_then(|()| json.end())) {
        (Some(much), _) => Err(Wrong::TooMuch(much)),
        (None, Err(error)) => Err(Wrong::Malformed(error)),
        (None, Ok(())) => Ok(state.sizes.borrow().rest.bytes()),
    }
}

struct State {
    sizes: RefCell<Sizes>,
    /// Said aside, since the library's errors are texts.
    too_much: RefCell<Option<TooMuch>>,
    entries: Entries,
}

/// Decoded sizes: of the request without entries that are decoded one by one, of these, and of the one that is looked at.
struct Sizes {
    rest: DecodedSize,
    entries: DecodedSize,
    entry: Option<DecodedSize>,
}

impl Sizes {
    fn of_this_place(&mut self) -> &mut DecodedSize {
        self.entry.as_mut().unwrap_or(&mut self.rest)
    }

    fn begin_entry(&mut self) {
        self.entry = Some(DecodedSize::of_one_entry());
    }

    fn end_entry(&mut self) -> Result<(), TooMuch> {
        let entry = self.entry.take();
        self.entries.add(entry.map_or(0, |entry| entry.bytes()))
    }
}

impl State {
    fn count<E: Error>(&self, count: impl FnOnce(&mut Sizes) -> Result<(), TooMuch>) -> Result<(), E> {
        count(&mut self.sizes.borrow_mut()).map_err(|much| {
            *self.too_much.borrow_mut() = Some(much);
            E::custom(much)
        })
    }
}

/// What stands at a place.
#[derive(Clone)]
enum What {
    Message(MessageDescriptor),
    /// A list of such things.
    List(Box<What>),
    /// A map of such things, whose names are the caller's own.
    Map(Box<What>),
    /// A list, each of whose entries is counted by itself.
    Entries(Box<What>),
    Seconds,
    /// Any JSON, kept as it is: each value becomes objects (google.protobuf.Value, and what it holds).
    Dynamic,
    Any,
}

impl What {
    fn of_field(field: &FieldDescriptor) -> Self {
        if field.is_map() {
            let value = match field.kind() {
                Kind::Message(entry) => {
                    entry.get_field_by_name("value").map_or(Self::Any, |value| Self::of(&value.kind()))
                }
                _ => Self::Any,
            };
            return Self::Map(Box::new(value));
        }
        let one = Self::of(&field.kind());
        if field.is_list() { Self::List(Box::new(one)) } else { one }
    }

    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Duration" | "google.protobuf.Timestamp" => Self::Seconds,
                name if name.starts_with("google.protobuf.") => Self::Dynamic,
                _ => Self::Message(message.clone()),
            },
            _ => Self::Any,
        }
    }
}

struct Look<'a> {
    state: &'a State,
    what: What,
    depth: usize,
}

impl Look<'_> {
    fn inside(&self, what: What) -> Look<'_> {
        Look { state: self.state, what, depth: self.depth + 1 }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let is_dynamic = matches!(self.what, What::Dynamic);
        self.state.count(|sizes| {
            check_depth(self.depth)?;
            let size = sizes.of_this_place();
            if is_dynamic { size.objects(2) } else { size.values(1) }
        })?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.state.count(|sizes| sizes.of_this_place().add(text.len()))?;
        // Nanoseconds are the finest that protobuf has; what is finer would be cut off, down to nothing.
        let fraction = text.split_once('.').map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
        if matches!(self.what, What::Seconds) && fraction.is_some_and(|digits| digits > 9) {
            return Err(E::custom(format!("{text:?} has more than nine digits after the point")));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (one, by_itself) = match &self.what {
            What::List(one) => (What::clone(one), false),
            What::Entries(one) => (What::clone(one), true),
            What::Dynamic => (What::Dynamic, false),
            _ => (What::Any, false),
        };
        loop {
            if by_itself {
                self.state.sizes.borrow_mut().begin_entry();
            }
            let next = list.next_element_seed(self.inside(one.clone()))?;
            if by_itself {
                self.state.count(Sizes::end_entry)?;
            }
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.state.count(|sizes| sizes.of_this_place().objects(1))?;
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let (what, field) = match &self.what {
                What::Message(message) => {
                    let field = message.get_field_by_json_name(&name).or_else(|| message.get_field_by_name(&name));
                    match field {
                        Some(field) => {
                            let is_entries = self.depth == 0 && self.state.entries == Some(field.number());
                            let what = match What::of_field(&field) {
                                What::List(one) if is_entries => What::Entries(one),
                                what => what,
                            };
                            (what, field.name().to_owned())
                        }
                        None => (What::Any, name.clone()),
                    }
                }
                What::Map(one) => (What::clone(one), name.clone()),
                What::Dynamic => (What::Dynamic, name.clone()),
                _ => (What::Any, name.clone()),
            };
            if !seen.insert(field) {
                return Err(A::Error::custom(format!("{name:?} is given twice")));
            }
            map.next_value_seed(self.inside(what))?;
        }
        Ok(())
    }
}

/// The text of one field of the outermost object, without building anything of the others.
pub(crate) fn top_level_text(bytes: &[u8], name: &str) -> Option<String> {
    struct Find<'a>(&'a str);

    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
            let mut found = None;
            while let Some(name) = map.next_key::<String>()? {
                if name == self.0 && found.is_none() {
                    found = map.next_value::<MaybeText>()?.0;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    serde_json::Deserializer::from_slice(bytes).deserialize_map(Find(name)).ok()?
}

/// A text, or anything else that is passed over.
struct MaybeText(Option<String>);

impl<'de> serde::Deserialize<'de> for MaybeText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = MaybeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_str<E>(self, text: &str) -> Result<MaybeText, E> {
                Ok(MaybeText(Some(text.to_owned())))
            }

            fn visit_bool<E>(self, _: bool) -> Result<MaybeText, E> {
                Ok(MaybeText(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<MaybeText, E> {
                Ok(MaybeText(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<MaybeText, E> {
                Ok(MaybeText(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<MaybeText, E> {
                Ok(MaybeText(None))
            }

            fn visit_unit<E>(self) -> Result<MaybeText, E> {
                Ok(MaybeText(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<MaybeText, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(MaybeText(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MaybeText, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(MaybeText(None))
            }
        }

        from.deserialize_any(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(message: &str, json: &str, entries: Entries) -> Result<usize, String> {
        let message = daybook_proto::descriptors().get_message_by_name(message).unwrap();
        check(json.as_bytes(), &message, entries).map_err(|wrong| match wrong {
            Wrong::TooMuch(much) => much.to_string(),
            Wrong::Malformed(error) => error.to_string(),
        })
    }

    const PLACE: &str = "daybook.legal_hold.v1.PlaceHoldRequest";
    const RECORD: &str = "daybook.product_analytics.v1.RecordEventsRequest";

    #[test]
    fn a_field_that_is_given_twice_is_refused_under_either_name() {
        for twice in [
            r#"{"tenantId":"a","tenantId":"b"}"#,
            r#"{"tenantId":"a","tenant_id":"b"}"#,
            r#"{"scope":{"case_ids":["a"],"caseIds":["b"]}}"#,
            r#"{"otherTenants":[{"tenantId":"a"},{"tenantId":"a","tenant_id":"b"}]}"#,
        ] {
            assert!(look(PLACE, twice, None).unwrap_err().contains("is given twice"), "{twice}");
        }
        // In a map the names are the caller's own.
        let properties = r#"{"events":[{"properties":{"caseId":"1","case_id":"2"}}]}"#;
        assert!(look(RECORD, properties, Some(3)).is_ok());
        let twice = r#"{"events":[{"properties":{"a":"1","a":"2"}}]}"#;
        assert!(look(RECORD, twice, Some(3)).unwrap_err().contains("is given twice"));
    }

    #[test]
    fn what_would_take_much_memory_is_refused_before_it_is_decoded() {
        let nested = format!(r#"{{"events":[{{"properties":{{"a":[{}]}}}}]}}"#, vec!["[[[[]]]]"; 100_000].join(","));
        assert!(look(RECORD, &nested, Some(3)).unwrap_err().contains("more than 5 MiB"));
        let numbers = format!(r#"{{"scope":{{"caseIds":[{}]}}}}"#, vec!["0"; 2_200_000].join(","));
        assert!(look(PLACE, &numbers, None).unwrap_err().contains("more than 128 MiB"));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
        assert!(look(PLACE, &deep, None).unwrap_err().contains("deeper than 32 levels"));
        let many = format!(r#"{{"events":[{}]}}"#, vec![r#"{"name":"a","properties":{"b":"c"}}"#; 2_000].join(","));
        let size = look(RECORD, &many, Some(3)).unwrap();
        assert!(size < 4_096, "what may be recorded may be sent, and takes no room: {size}");
    }

    #[test]
    fn a_time_that_is_finer_than_a_nanosecond_is_refused() {
        let delay = |text: &str| look(PLACE, &format!(r#"{{"releaseDelay":"{text}","name":"1.00000000000"}}"#), None);
        assert!(delay("0.000000001s").is_ok());
        assert!(delay("0.0000000001s").unwrap_err().contains("more than nine digits"));
    }

    #[test]
    fn a_text_is_found_without_the_rest() {
        let find = |json: &str| top_level_text(json.as_bytes(), "token");
        assert_eq!(find(r#"{"events":[{"token":"no"}],"token":"yes","token":"later"}"#), Some("yes".to_owned()));
        assert_eq!(find(r#"{"token":["yes"]}"#), None);
        assert_eq!(find(r#"["token"]"#), None);
        assert_eq!(find(r#"{"token":"yes"#), None);
    }
}
