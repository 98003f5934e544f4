//! Segment's tracking API: <https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/>.

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::{self, Refusal};
use prost_types::Timestamp;
use prost_types::value::Kind;
use serde_json::{Map, Value};

use crate::names::{self, Name};
use crate::properties::{Properties, fact_about_a_person, why};
use crate::{EVENTS_MAX, ID_BYTES_MAX, Mapped, NoEvent, NotMapped, One, Why, times};

/// Properties of a page that do not pass as they are: its name is read already, and the others analytics.js adds to
/// every page. Addresses and titles can hold anything.
const NOT_OF_PAGES: &[&str] = &["name", "path", "referrer", "search", "title", "url"];
/// Of a screen, likewise.
const NOT_OF_SCREENS: &[&str] = &["name"];

/// A call of the tracking API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentCall {
    /// Somebody did something.
    Track,
    /// Who somebody is.
    Identify,
    /// Somebody saw a page.
    Page,
    /// Somebody saw a screen.
    Screen,
    /// To which group somebody belongs.
    Group,
    /// That two ids are one person's.
    Alias,
    /// Several of the others.
    Batch,
}

impl SegmentCall {
    /// The call of a path behind `/v1/`: `track`, or `t` as analytics.js in a browser has it; `import` is `batch`.
    pub fn from_path(path: &str) -> Option<Self> {
        match path {
            "track" | "t" => Some(Self::Track),
            "identify" | "i" => Some(Self::Identify),
            "page" | "p" => Some(Self::Page),
            "screen" | "s" => Some(Self::Screen),
            "group" | "g" => Some(Self::Group),
            "alias" | "a" => Some(Self::Alias),
            "batch" | "b" | "import" => Some(Self::Batch),
            _ => None,
        }
    }

    /// The call that a field `type` names. None of them is a batch.
    fn from_type(name: &str) -> Option<Self> {
        match name {
            "track" => Some(Self::Track),
            "identify" => Some(Self::Identify),
            "page" => Some(Self::Page),
            "screen" => Some(Self::Screen),
            "group" => Some(Self::Group),
            "alias" => Some(Self::Alias),
            _ => None,
        }
    }
}

/// Events of a body of the tracking API. `path_kind` is the call that the path names; `None`: the body says it by its
/// `type`, or by having a `batch`. `now` is when the body was received.
///
/// # Errors
/// The body is not one of this API, or has too many events. A call that is wrong is skipped instead, in a batch or
/// alone.
pub fn segment(path_kind: Option<SegmentCall>, body: &Value, now: Timestamp) -> Result<Mapped, NotMapped> {
    let body = body.as_object().ok_or(NotMapped::NotAnObject)?;
    let is_batch = match path_kind {
        Some(call) => call == SegmentCall::Batch,
        None => body.contains_key("batch"),
    };
    if !is_batch {
        return Ok(Mapped::of(std::iter::once(one(path_kind, body, None, now))));
    }
    let list = || NotMapped::WrongShape { place: "batch".to_owned(), must_be: "a list" };
    let calls = body.get("batch").and_then(Value::as_array).ok_or_else(list)?;
    if calls.len() > EVENTS_MAX {
        return Err(NotMapped::TooMany { count: calls.len() });
    }
    let call = |call: &Value| one(None, call.as_object().ok_or(Why::NotAnObject)?, Some(body), now);
    Ok(Mapped::of(calls.iter().map(call)))
}

/// The event of one call. `batch` is the body around it, of which `sentAt` and `context` hold for all calls in it.
fn one(
    path_kind: Option<SegmentCall>,
    call: &Map<String, Value>,
    batch: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<One, NoEvent> {
    let kind = kind(path_kind, call)?;
    let name = match kind {
        SegmentCall::Track => {
            let name = text(call, "event")?.ok_or(Why::Missing { field: "event" })?;
            names::event_name(name).map_err(|problem| why(problem, "event"))?
        }
        SegmentCall::Page => Name::fixed("page.viewed"),
        SegmentCall::Screen => Name::fixed("screen.viewed"),
        SegmentCall::Identify | SegmentCall::Group | SegmentCall::Alias => return Err(Why::AboutPersons.into()),
        SegmentCall::Batch => return Err(Why::NoCall.into()),
    };
    event(kind, name.as_str(), call, batch, now).map_err(|why| NoEvent { why, name: name.into_string() })
}

fn event(
    kind: SegmentCall,
    name: &str,
    call: &Map<String, Value>,
    batch: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<One, Why> {
    let mut properties = Properties::new("properties");
    match kind {
        SegmentCall::Page => {
            add_name(&mut properties, call, "page")?;
            add_all(&mut properties, call, NOT_OF_PAGES)?;
        }
        SegmentCall::Screen => {
            add_name(&mut properties, call, "screen")?;
            add_all(&mut properties, call, NOT_OF_SCREENS)?;
        }
        _ => add_all(&mut properties, call, &[])?,
    }
    let actor = match id(call, "userId")? {
        Some(actor) => Some(actor),
        None => id(call, "anonymousId")?,
    };
    let (properties, left_out) = properties.finish();
    let event = v1::Event {
        event_id: id(call, "messageId")?.unwrap_or_default(),
        name: name.to_owned(),
        schema_version: 0,
        actor: actor.unwrap_or_default(),
        time: time(call, batch, now)?,
        consents: consents(call).or_else(|| batch.and_then(consents)).unwrap_or_default(),
        properties,
    };
    Ok(One { event, left_out })
}

fn kind(path_kind: Option<SegmentCall>, call: &Map<String, Value>) -> Result<SegmentCall, Why> {
    let said = match call.get("type") {
        None | Some(Value::Null) => None,
        Some(said) => Some(said.as_str().and_then(SegmentCall::from_type).ok_or(Why::NoCall)?),
    };
    match (path_kind, said) {
        (Some(path), Some(said)) if path != said => Err(Why::OtherCall),
        (path, said) => path.or(said).ok_or(Why::NoCall),
    }
}

/// A field that holds text. `None`: it is not there, or says nothing.
fn text<'a>(call: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, Why> {
    match call.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Why::WrongType { field, must_be: "a string" }),
    }
}

/// A field that holds an id: a string, or a whole number, which many programs send though the API says string.
fn id(call: &Map<String, Value>, field: &'static str) -> Result<Option<String>, Why> {
    let id = match call.get(field) {
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => text(call, field)?.map(str::to_owned),
    };
    match id {
        Some(id) if id.len() > ID_BYTES_MAX => Err(Why::TooLong { field }),
        id => Ok(id),
    }
}

/// The properties of a call, or none.
fn properties_of(call: &Map<String, Value>) -> Result<Option<&Map<String, Value>>, Why> {
    match call.get("properties") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(properties)) => Ok(Some(properties)),
        Some(_) => Err(Why::WrongType { field: "properties", must_be: "an object" }),
    }
}

/// Adds the name of a page or screen as the property `named`. It stands in the call, or among the properties, or
/// nowhere.
fn add_name(properties: &mut Properties, call: &Map<String, Value>, named: &'static str) -> Result<(), Why> {
    let name = match text(call, "name")? {
        Some(name) => Some(name),
        None => properties_of(call)?.map_or(Ok(None), |properties| text(properties, "name"))?,
    };
    match name {
        Some(name) => {
            let name = names::word(name).map_err(|problem| why(problem, "name"))?;
            properties.add(Name::fixed(named), Kind::StringValue(name.into_string()))
        }
        None => Ok(()),
    }
}

/// Adds the properties of a call, without those of some names.
fn add_all(properties: &mut Properties, call: &Map<String, Value>, without: &[&str]) -> Result<(), Why> {
    for (key, value) in properties_of(call)?.into_iter().flatten() {
        if without.contains(&key.as_str()) {
            continue;
        }
        match value {
            Value::Object(inner) => {
                if let Some(fact) = fact_about_a_person(properties.name(key)?.as_str()) {
                    properties.leave_out(Name::fixed(fact), Refusal::AboutAPerson);
                    continue;
                }
                for (inner_key, value) in inner {
                    let name = format!("{key} {inner_key}");
                    add(properties, &name, value)?;
                }
            }
            value => add(properties, key, value)?,
        }
    }
    Ok(())
}

fn add(properties: &mut Properties, name: &str, value: &Value) -> Result<(), Why> {
    let kind = match value {
        Value::Null => return Ok(()),
        Value::Bool(value) => Some(Kind::BoolValue(*value)),
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()).map(Kind::NumberValue),
        Value::String(text) => Some(Kind::StringValue(text.clone())),
        Value::Array(_) | Value::Object(_) => None,
    };
    let name = properties.name(name)?;
    match kind {
        Some(kind) => properties.add(name, kind),
        None => {
            properties.leave_out(name, Refusal::WrongValue);
            Ok(())
        }
    }
}

/// When it happened; see the crate for the rule. `None`: it does not say.
fn time(
    call: &Map<String, Value>,
    batch: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Why> {
    let time_in = |of: &Map<String, Value>, field| match text(of, field).map_err(|_| Why::BadTime { field })? {
        Some(text) => times::parse(text).map(Some).ok_or(Why::BadTime { field }),
        None => Ok(None),
    };
    let (time, original) = (time_in(call, "timestamp")?, time_in(call, "originalTimestamp")?);
    let original = match (time, original) {
        (Some(corrected), Some(_)) => return Ok(Some(corrected)),
        (Some(original), None) | (None, Some(original)) => original,
        (None, None) => return Ok(None),
    };
    let sent = match time_in(call, "sentAt")? {
        Some(sent) => Some(sent),
        None => batch.map_or(Ok(None), |batch| time_in(batch, "sentAt"))?,
    };
    match sent {
        Some(sent) => times::without_skew(original, sent, now).map(Some).ok_or(Why::BadTime { field: "timestamp" }),
        None => Ok(Some(original)),
    }
}

/// Purposes that a call or batch states consents for, in order. `None`: it states nothing of consents.
fn consents(of: &Map<String, Value>) -> Option<Vec<String>> {
    let preferences = of.get("context")?.get("consent")?.get("categoryPreferences")?.as_object()?;
    let mut agreed: BTreeMap<String, bool> = BTreeMap::new();
    for (category, is_agreed) in preferences {
        // What cannot be the name of a purpose is not one.
        if let Ok(purpose) = names::word(category) {
            let is_agreed = *is_agreed == Value::Bool(true);
            agreed.entry(purpose.into_string()).and_modify(|all| *all &= is_agreed).or_insert(is_agreed);
        }
    }
    Some(agreed.into_iter().filter_map(|(purpose, is_agreed)| is_agreed.then_some(purpose)).collect())
}
