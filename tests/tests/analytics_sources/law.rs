//! What was sent is what counts, what is refused and what was there before.

use super::*;

/// An input of a body, and what becomes of it.
#[derive(Debug, Clone, Copy)]
enum Input {
    Good,
    /// With the id of an earlier one.
    Again,
    UnknownEvent,
    WrongValue,
    PersonalData,
    NoConsent,
    TooLate,
    // Only of sources that map.
    BadName,
    SameName,
    NoTime,
    NoEvent,
    Malformed,
}

impl Input {
    const OF_ALL: [Self; 7] = [
        Self::Good,
        Self::Again,
        Self::UnknownEvent,
        Self::WrongValue,
        Self::PersonalData,
        Self::NoConsent,
        Self::TooLate,
    ];
    const OF_MAPPED: [Self; 5] = [Self::BadName, Self::SameName, Self::NoTime, Self::NoEvent, Self::Malformed];

    fn name(self) -> &'static str {
        match self {
            Self::UnknownEvent => "case.burnt",
            Self::NoConsent => "case.shared",
            Self::BadName => "Fall geöffnet",
            _ => "case.opened",
        }
    }

    fn properties(self) -> Value {
        match self {
            Self::WrongValue => json!({ "kind": "criminal" }),
            Self::PersonalData => json!({ "case_id": "4539:1488:0343:6467" }),
            Self::SameName => json!({ "caseId": "a", "case_id": "b" }),
            _ => json!({}),
        }
    }

    fn seconds_ago(self) -> i64 {
        if matches!(self, Self::TooLate) { 30 * 86_400 } else { 60 }
    }
}

/// Sends inputs through a source, each with an id; and what it says became of them.
async fn send_inputs(node: &Node, source: Source, inputs: &[(Input, String)]) -> Said {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let time = |input: &Input| prost_types::Timestamp { seconds: now - input.seconds_ago(), nanos: 0 };
    if source.takes_events() {
        let event = |(input, id): &(Input, String)| {
            let fields = input.properties().as_object().unwrap().clone().into_iter().map(|(name, value)| {
                let kind = Some(prost_types::value::Kind::StringValue(value.as_str().unwrap().to_owned()));
                (name, prost_types::Value { kind })
            });
            Event {
                event_id: id.clone(),
                name: input.name().to_owned(),
                time: Some(time(input)),
                properties: Some(prost_types::Struct { fields: fields.collect() }),
                ..Default::default()
            }
        };
        send_events(node, source, &inputs.iter().map(event).collect::<Vec<_>>()).await
    } else if source.is_segment() {
        let call = |(input, id): &(Input, String)| {
            let kind = if matches!(input, Input::NoEvent) { "identify" } else { "track" };
            let timestamp = match input {
                Input::NoTime => json!(1_772_366_400),
                input => json!(time(input).to_string()),
            };
            let event = if matches!(input, Input::Malformed) { json!([]) } else { json!(input.name()) };
            json!({ "type": kind, "messageId": id, "event": event, "timestamp": timestamp, "properties": input.properties() })
        };
        send_calls(node, source, &inputs.iter().map(call).collect::<Vec<_>>()).await
    } else {
        let record = |(input, id): &(Input, String)| {
            let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
            let properties = input.properties();
            let properties = properties.as_object().unwrap().iter();
            let mut attributes: Vec<Value> =
                properties.map(|(name, value)| attribute(name, value.as_str().unwrap())).collect();
            attributes.push(attribute("event.id", id));
            if matches!(input, Input::Malformed) {
                attributes.push(json!({ "key": "user.id", "value": { "boolValue": true } }));
            }
            // A time that there is not cannot be said in nanoseconds; too late is the same to it.
            let seconds = if matches!(input, Input::NoTime) { 1 } else { time(input).seconds };
            let name = if matches!(input, Input::NoEvent) { "" } else { input.name() };
            json!({ "eventName": name, "timeUnixNano": (seconds * 1_000_000_000).to_string(), "attributes": attributes })
        };
        send_records(node, source, "law", &inputs.iter().map(record).collect::<Vec<_>>()).await
    }
}

/// The law: what was sent is what counts, what is refused and what was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_input_counts_or_is_refused_or_was_counted_before_through_every_source() {
    let node = node_for_all().await;
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut sent, mut good, mut again, mut wrong) = (0, 0, 0, 0);
    let mut ids: Vec<String> = Vec::new();
    for round in 0..6 {
        for source in Source::ALL {
            let of_source = if source.takes_events() { &[][..] } else { &Input::OF_MAPPED };
            let kinds = [&Input::OF_ALL[..], of_source].concat();
            let mut inputs = Vec::new();
            for at in 0..rng.usize(1..25) {
                let mut input = kinds[rng.usize(0..kinds.len())];
                if ids.is_empty() && matches!(input, Input::Again) {
                    input = Input::Good;
                }
                let id = match input {
                    Input::Again => ids[rng.usize(0..ids.len())].clone(),
                    _ => format!("{round}-{source:?}-{at}"),
                };
                match input {
                    Input::Good => {
                        good += 1;
                        ids.push(id.clone());
                    }
                    Input::Again => again += 1,
                    _ => wrong += 1,
                }
                inputs.push((input, id));
            }
            sent += inputs.len() as u64;
            let said = send_inputs(&node, source, &inputs).await;
            let of_answer = said.accepted + said.duplicates + said.refused;
            assert!(source == Source::Beacon || of_answer == inputs.len() as u64, "{source:?}: {said:?}");
        }
    }
    assert_eq!(sent, good + again + wrong);
    // What the node counts, whatever it answered. A property that was left out of an event has no event beside it.
    let counts = refused_counts(&node).await;
    let of_events = || counts.iter().filter(|((name, property, _), _)| !name.is_empty() || property.is_empty());
    let duplicates: u64 = of_events().filter(|((.., why), _)| *why == Refusal::Duplicate).map(|(_, count)| count).sum();
    let refused: u64 = of_events().filter(|((.., why), _)| *why != Refusal::Duplicate).map(|(_, count)| count).sum();
    let recorded = counted(&node).await.0 as u64;
    assert_eq!((recorded, duplicates, refused), (good, again, wrong), "{counts:?}");
}
