//! Exports of product analytics, as somebody gets them who asks a node: what lies there, that it is the same from every
//! node, that other programs read the numbers in it that Daybook answers with, and that nobody is in it who was erased.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use daybook_kernel::hash::Hash;
use daybook_proto::product_analytics::v1::cell::Value as Cell;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::*;
use daybook_tests::disk::files;
use daybook_tests::events;
use daybook_tests::eventually;
use daybook_tests::node::{Home, Node, new_id};
use daybook_tests::people::{ANNA, FEEDER, PETRA, PIA};
use prost_types::value::Kind;
use prost_types::{Duration, Struct, Timestamp, Value};
use serde_json::Value as Json;

const DAY: i64 = 86_400;
const NAMES: [&str; 3] = ["page.viewed", "filters.applied", "case.exported"];

fn today() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() as i64 / DAY * DAY
}

fn seconds(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

async fn register(node: &Node, suppress_below: u32) {
    let profile = MinimisationProfile {
        purposes_without_consent: vec!["product".into()],
        late_max: Some(Duration { seconds: 20 * DAY, nanos: 0 }),
        pseudonym_epoch_days: 366,
        suppress_below,
        ..Default::default()
    };
    let property =
        |name: &str, of: PropertyType| PropertySchema { name: name.into(), r#type: of.into(), ..Default::default() };
    let mut properties = vec![
        PropertySchema { values: vec!["red".into(), "green".into()], ..property("colour", PropertyType::Enum) },
        PropertySchema { maximum: 1_000, ..property("pages", PropertyType::Integer) },
        property("is_new", PropertyType::Boolean),
        property("case_id", PropertyType::OpaqueId),
        // Called like a column that every event has.
        property("time", PropertyType::OpaqueId),
    ];
    let mut schemas = Vec::new();
    for name in NAMES {
        let (feature, purpose) = ("all".to_owned(), "product".to_owned());
        let properties_of = properties.clone();
        schemas.push(EventSchema {
            name: name.into(),
            version: 1,
            feature,
            purpose,
            properties: properties_of,
            ..Default::default()
        });
        // The same word at another place, from the second event on.
        properties[0].values = vec!["blue".into(), "red".into(), "green".into()];
    }
    events::register(node, profile, schemas).await;
}

fn event(number: i64) -> Event {
    let value = |kind| Value { kind: Some(kind) };
    let colour = ["red", "green"][(number / 5 % 2) as usize];
    let mut fields = BTreeMap::from([
        ("colour".to_owned(), value(Kind::StringValue(colour.to_owned()))),
        ("pages".to_owned(), value(Kind::NumberValue((number % 1_000) as f64))),
    ]);
    if number % 3 == 0 {
        fields.insert("is_new".to_owned(), value(Kind::BoolValue(number % 2 == 0)));
        fields.insert("case_id".to_owned(), value(Kind::StringValue(format!("case-{}", number % 40))));
        fields.insert("time".to_owned(), value(Kind::StringValue("noon".to_owned())));
    }
    let actor = if number % 11 == 0 { String::new() } else { format!("person-{}@example.com", number * 7 % 400) };
    Event {
        name: NAMES[(number % 3) as usize].to_owned(),
        actor,
        time: seconds(today() - 10 * DAY + number * 7_919 % (9 * DAY)),
        properties: Some(Struct { fields }),
        ..Default::default()
    }
}

/// More batches than wait in all, so that some events are in segments and some are not.
async fn record(node: &Node, from: i64, to: i64) {
    for batch in (from..to).collect::<Vec<_>>().chunks(25) {
        let events = batch.iter().map(|number| event(*number)).collect();
        let request = RecordEventsRequest { command_id: new_id(), events, ..Default::default() };
        let response: RecordEventsResponse = node.ask(&FEEDER, &request).await;
        assert_eq!(response.accepted_count as usize, batch.len(), "{:?}", response.refused);
    }
}

async fn export(node: &Node, content: EventExportContent) -> EventExport {
    let request = ExportEventsRequest {
        command_id: new_id(),
        content: Some(content),
        start_time: seconds(today() - 10 * DAY),
        end_time: seconds(today()),
        ..Default::default()
    };
    let response: ExportEventsResponse = node.ask(&PETRA, &request).await;
    let min_position = response.receipt.unwrap().position;
    let asked = GetEventExportRequest { export_id: response.export_id, min_position, ..Default::default() };
    eventually("the export ends", async || {
        let response: GetEventExportResponse = node.ask(&PETRA, &asked).await;
        response.export.filter(|export| export.state() != EventExportState::Running)
    })
    .await
}

fn all_events() -> EventExportContent {
    EventExportContent { events: true, ..Default::default() }
}

fn folder(export: &EventExport) -> PathBuf {
    let url = export.files.clone().unwrap_or_default().url;
    PathBuf::from(url.strip_prefix("file://").unwrap_or_else(|| panic!("{export:?}")))
}

fn manifest(export: &EventExport) -> Json {
    let bytes = std::fs::read(folder(export).join("manifest.json")).unwrap();
    assert_eq!(Hash::of(&bytes).to_hex(), export.files.as_ref().unwrap().manifest_hash);
    serde_json::from_slice(&bytes).unwrap()
}

/// Every file with its bytes.
fn bytes_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = |file: &PathBuf| file.strip_prefix(folder).unwrap().to_owned();
    files(folder).into_iter().map(|file| (name(&file), std::fs::read(&file).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_whole_and_the_same_whoever_makes_it() {
    let node = Node::start().await;
    register(&node, 1).await;
    record(&node, 0, 3_000).await;
    let first = export(&node, all_events()).await;
    assert_eq!((first.state(), first.failure.as_str()), (EventExportState::Done, ""));
    let (at, manifest) = (folder(&first), manifest(&first));
    let data = node.home.data();
    assert!(at.starts_with(data.join("exports")), "{}", at.display());
    let listed = manifest["files"].as_array().unwrap();
    let there = bytes_of(&at);
    assert_eq!(listed.len() + 1, there.len(), "the files of the manifest, and itself");
    let (mut rows, mut days) = (0, 0);
    for file in listed {
        let bytes = &there[Path::new(file["name"].as_str().unwrap())];
        assert_eq!(file["blake3"], Hash::of(bytes).to_hex());
        assert_eq!(file["bytes"], bytes.len());
        if file["name"].as_str().unwrap().starts_with("events/date=") {
            rows += file["rows"].as_u64().unwrap();
            days += 1;
        }
    }
    assert_eq!((rows, days), (3_000, 9), "{manifest:#}");
    let columns: Vec<&str> = manifest["events"]["columns"].as_array().unwrap().iter().flat_map(Json::as_str).collect();
    assert_eq!(columns, ["time", "event", "actor", "case_id", "colour", "is_new", "pages", "property_time"]);

    // Asked for again, it is the same: nothing has changed meanwhile.
    let again = export(&node, all_events()).await;
    assert_ne!(first.export_id, again.export_id);
    assert_eq!(first.files, again.files);
    assert_eq!(bytes_of(&folder(&again)), there);

    // From a store that was folded again from the log, it is the same.
    let home = node.stop().await;
    std::fs::remove_dir_all(data.join("store")).unwrap();
    std::fs::remove_dir_all(data.join("exports")).unwrap();
    let node = home.start().await;
    let rebuilt = export(&node, all_events()).await;
    assert_eq!(first.files, rebuilt.files);
    assert_eq!(bytes_of(&at), there);

    // What comes in makes another one.
    record(&node, 3_000, 3_010).await;
    let later = export(&node, all_events()).await;
    assert!(folder(&later) != at && later.files.unwrap().event_count == 3_010);
    assert_eq!(bytes_of(&at), there, "the one before stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_few_people_did_on_a_day_is_not_exported() {
    let node = Node::start().await;
    register(&node, 5).await;
    record(&node, 0, 1_000).await;
    // One event of three people, on a day of its own.
    let events = (1..=3).map(|person| Event {
        name: NAMES[0].to_owned(),
        actor: format!("person-{person}@example.com"),
        time: seconds(today() - 1),
        ..Default::default()
    });
    let request = RecordEventsRequest { command_id: new_id(), events: events.collect(), ..Default::default() };
    let _: RecordEventsResponse = node.ask(&FEEDER, &request).await;
    let export = export(&node, all_events()).await;
    let manifest = manifest(&export);
    assert_eq!(manifest["events"]["rows"], 1_000);
    assert_eq!((&manifest["events"]["leftOut"], &manifest["events"]["suppressBelow"]), (&1.into(), &5.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_cannot_be_made_says_why() {
    let home = Home::with(|config| config.analytics.export_url = "file:///proc/no-such-place".to_owned());
    let node = home.start().await;
    register(&node, 1).await;
    record(&node, 0, 50).await;
    // A metric that nobody has defined: there is nothing to wait for.
    let metrics = vec![ExportedMetric { name: "no.such".into(), ..Default::default() }];
    let failed = export(&node, EventExportContent { metrics, ..Default::default() }).await;
    assert_eq!(failed.state(), EventExportState::Failed);
    assert!(failed.failure.contains("no.such") && failed.files.is_none(), "{failed:?}");
    // A place that is not there may come: it is tried again.
    let request = ExportEventsRequest {
        command_id: new_id(),
        content: Some(all_events()),
        start_time: seconds(today() - 10 * DAY),
        end_time: seconds(today()),
        ..Default::default()
    };
    let _: ExportEventsResponse = node.ask(&PETRA, &request).await;
    let list = ListEventExportsRequest::default();
    let exports: ListEventExportsResponse = node.ask(&PETRA, &list).await;
    let states: Vec<_> = exports.exports.iter().map(EventExport::state).collect();
    assert_eq!(states, [EventExportState::Failed, EventExportState::Running]);
    let missing = GetEventExportRequest { export_id: "export-0-1".into(), ..Default::default() };
    let refused = node.try_ask::<_, GetEventExportResponse>(&PETRA, &missing).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound, "{refused:?}");
}

/// What DuckDB or pandas makes of the files, as JSON.
fn python(script: &str, at: &Path) -> Json {
    let python =
        std::env::var("DAYBOOK_DUCKDB_PYTHON").expect("DAYBOOK_DUCKDB_PYTHON, as tests/setup/duckdb.sh prints it");
    let output = Command::new(python).args(["-c", script]).arg(at).output().expect("a Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const DUCKDB: &str = r#"
import duckdb, json, sys
at = sys.argv[1]
db = duckdb.connect()
db.execute(f"create view events as select * from read_parquet('{at}/events/*/*.parquet', hive_partitioning = true)")
db.execute(f"create view schemas as select * from read_parquet('{at}/schemas/*.parquet')")
rows = lambda sql: [list(row) for row in db.execute(sql).fetchall()]
print(json.dumps({
    "types": {row[0]: row[1] for row in rows("describe events")},
    "by_day": rows("select date::varchar, event, count(*), count(distinct actor) from events group by all order by all"),
    "by_feature": rows("select feature, count(*), count(distinct actor) from events join schemas using (event) group by all"),
    "colours": rows("select colour, count(*) from events group by all order by all"),
    "pages": rows("select sum(pages), count(is_new), count(*) filter (is_new), count(distinct case_id) from events")[0],
    "metric": rows(f"select * from read_parquet('{at}/metrics/pages.by_day/*.parquet')"),
}, default=str))
"#;

const PANDAS: &str = r#"
import json, sys, pandas as pd
events = pd.read_parquet(sys.argv[1] + "/events")
print(json.dumps({
    "rows": len(events),
    "actors": int(events["actor"].nunique()),
    "time": str(events["time"].dtype),
    "events": events.groupby("event", observed=True).size().to_dict(),
}))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_and_pandas_read_the_numbers_that_are_answered() {
    let node = Node::start().await;
    register(&node, 1).await;
    record(&node, 0, 3_000).await;
    let pages = MetricDefinition {
        name: "pages.by_day".into(),
        metric: Some(Metric::Usage(UsageMetric {
            events: Some(EventSelector { names: vec![NAMES[0].into()], ..Default::default() }),
        })),
        ..Default::default()
    };
    let request = DefineMetricRequest { command_id: new_id(), definition: Some(pages), ..Default::default() };
    let _: DefineMetricResponse = node.ask(&PIA, &request).await;
    let metric =
        ExportedMetric { name: "pages.by_day".into(), granularity: Granularity::Day.into(), ..Default::default() };
    let export = export(&node, EventExportContent { events: true, metrics: vec![metric] }).await;
    let at = folder(&export);

    let ask = async |granularity: Granularity, by: breakdown::By| -> Vec<Vec<String>> {
        let request = QueryMetricRequest {
            metric: Some(MetricDefinition {
                metric: Some(Metric::Usage(UsageMetric::default())),
                ..Default::default()
            }),
            start_time: seconds(today() - 10 * DAY),
            end_time: seconds(today()),
            granularity: granularity.into(),
            breakdown: Some(Breakdown { by: Some(by), limit: 0 }),
            ..Default::default()
        };
        let answer: QueryMetricResponse = node.ask(&ANNA, &request).await;
        let text = |cell: &daybook_proto::product_analytics::v1::Cell| match &cell.value {
            Some(Cell::Time(time)) => time.to_string()[..10].to_owned(),
            Some(Cell::Text(text)) => text.clone(),
            Some(Cell::Integer(number)) => number.to_string(),
            _ => String::new(),
        };
        answer.rows.iter().map(|row| row.cells.iter().map(text).collect()).collect()
    };
    let texts = |rows: &Json| -> Vec<Vec<String>> {
        let text = |cell: &Json| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        rows.as_array().unwrap().iter().map(|row| row.as_array().unwrap().iter().map(text).collect()).collect()
    };
    let found = python(DUCKDB, &at);
    let types = &found["types"];
    for (column, of) in [
        ("time", "TIMESTAMP WITH TIME ZONE"),
        ("event", "VARCHAR"),
        ("actor", "BIGINT"),
        ("case_id", "VARCHAR"),
        ("pages", "BIGINT"),
        ("is_new", "BOOLEAN"),
        ("date", "DATE"),
    ] {
        assert_eq!(types[column], of, "{column}");
    }
    let mut by_day = ask(Granularity::Day, breakdown::By::Event(true)).await;
    by_day.retain(|row| !row[0].is_empty() && row[2] != "0");
    by_day.iter_mut().for_each(|row| row.truncate(4));
    by_day.sort();
    assert_eq!(texts(&found["by_day"]), by_day);
    let by_feature = ask(Granularity::Unspecified, breakdown::By::Feature(true)).await;
    assert_eq!(texts(&found["by_feature"]), [by_feature[0][..3].to_vec()]);
    let colours = ask(Granularity::Unspecified, breakdown::By::Property("colour".into())).await;
    let mut colours: Vec<_> = colours.iter().map(|row| row[..2].to_vec()).collect();
    colours.sort();
    assert_eq!(texts(&found["colours"]), colours, "words, whatever their places in each schema");
    let numbers: Vec<i64> = found["pages"].as_array().unwrap().iter().flat_map(Json::as_i64).collect();
    let sum: i64 = (0..3_000).map(|number| number % 1_000).sum();
    assert_eq!(numbers, [sum, 1_000, 500, 40]);
    assert_eq!(found["metric"].as_array().unwrap().len(), 11, "ten days and all of them");

    let pandas = python(PANDAS, &at);
    assert_eq!((&pandas["rows"], &pandas["events"][NAMES[1]]), (&3_000.into(), &1_000.into()));
    assert_eq!(pandas["actors"].to_string(), by_feature[0][2]);
    assert_eq!(pandas["time"], "datetime64[ms, UTC]");
}

const ARROW: &str = r#"
import json, sys, pyarrow as pa
table = pa.ipc.open_stream(sys.argv[1]).read_all()
print(json.dumps({"types": {field.name: str(field.type) for field in table.schema}, "rows": table.to_pylist()}, default=str))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_as_an_arrow_stream_for_duckdb_and_its_like() {
    let node = Node::start().await;
    register(&node, 5).await;
    record(&node, 0, 300).await;
    let day = |days: i64| seconds(today() - days * DAY).unwrap().to_string();
    let question = serde_json::json!({
        "metric": {"usage": {}}, "startTime": day(10), "endTime": day(0), "granularity": "GRANULARITY_DAY",
    });
    let ask = async |method: &str, accept: &str| {
        let request = node.http().post(node.url(method)).header("accept", accept).bearer_auth(node.token(&ANNA));
        let request = request.header("content-type", "application/json").body(question.to_string());
        request.send().await.unwrap()
    };
    let answer = ask("QueryMetric", "text/html, application/vnd.apache.arrow.stream; q=0.9").await;
    assert_eq!(answer.headers()["content-type"], "application/vnd.apache.arrow.stream");
    let file = node.home.folder.path().join("answer.arrow");
    std::fs::write(&file, answer.bytes().await.unwrap()).unwrap();
    let read = python(ARROW, &file);
    for (column, of) in [
        ("period_start", "timestamp[ms, tz=UTC]"),
        ("events", "int64"),
        ("stickiness", "double"),
        ("suppressed", "bool"),
    ] {
        assert_eq!(read["types"][column], of, "{column}");
    }
    let rows = read["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[10]["events"], &rows[10]["period_start"]), (11, &300.into(), &Json::Null));
    let json = ask("QueryMetric", "application/json").await;
    assert_eq!(json.headers()["content-type"], "application/json");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_erased_is_in_no_later_export() {
    let node = Node::start().await;
    register(&node, 1).await;
    record(&node, 0, 2_000).await;
    let before = export(&node, all_events()).await;
    let theirs = (0..2_000).filter(|number| event(*number).actor == "person-77@example.com").count() as u64;
    assert!(theirs > 3);
    let request =
        EraseActorRequest { command_id: new_id(), actor: " Person-77@Example.com".into(), ..Default::default() };
    let response: EraseActorResponse = node.ask(&PETRA, &request).await;
    assert_eq!(response.found_count, 1);
    // Asked at once, while segments may still be written anew.
    let after = export(&node, all_events()).await;
    let count = |export: &EventExport| export.files.as_ref().unwrap().event_count;
    assert_eq!(count(&after), count(&before) - theirs);
    let query = QueryMetricRequest {
        metric: Some(MetricDefinition { metric: Some(Metric::Usage(UsageMetric::default())), ..Default::default() }),
        start_time: seconds(today() - 10 * DAY),
        end_time: seconds(today()),
        ..Default::default()
    };
    let events = eventually("the events of the erased actor are out of the rollups", async || {
        let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
        answer.notes.iter().all(|note| !note.contains("being erased")).then_some(answer)
    })
    .await;
    assert_eq!(events.rows[0].cells[0].value, Some(Cell::Integer((2_000 - theirs) as i64)));
    assert_eq!(events.erased_events, theirs);
    assert!(events.last_erased_at.is_some());
    let response: EraseActorResponse = node.ask(&PETRA, &EraseActorRequest { command_id: new_id(), ..request }).await;
    assert_eq!(response.found_count, 0, "nothing is left");
    let nobody = EraseActorRequest { command_id: new_id(), actor: "  ".into(), ..Default::default() };
    let refused = node.try_ask::<_, EraseActorResponse>(&PETRA, &nobody).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}
