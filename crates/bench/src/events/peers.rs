//! Peers: DuckDB and chDB asked the same, and Kafka Streams at the same rollup (`crates/bench/peers`).
//!
//! A peer that is not there is left out, and the page says so. One that gives other numbers than Daybook ends the run.

use std::ffi::OsString;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use daybook_testkit::kafka::Broker;
use serde_json::Value;
use tokio::process::Command;

use super::answers::{OurAnswer, ensure_same};
use super::{DAYS, NAMES, TENANT, WINDOW_DAYS, record, set_up};
use crate::client::Client;
use crate::node::ChildNode;
use crate::report::{Report, Table, count};
use crate::{Part, Scale};

/// The Python that has the peers, as `tests/setup/peers.sh` prints it.
const PYTHON: &str = "DAYBOOK_PEERS_PYTHON";
/// The class path of the Kafka Streams peer, as `tests/setup/peers-streams.sh` prints it.
const CLASS_PATH: &str = "DAYBOOK_PEERS_CLASS_PATH";
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/questions.py");
const PEERS: [&str; 2] = ["duckdb", "chdb"];
/// How often a peer is asked each question.
const ASKED: u32 = 10;
/// How much faster than the better peer the funnel should be.
const FUNNEL_AIM: f64 = 2.0;
/// How many times as many events a second as Kafka Streams should come in.
const INGEST_AIM: f64 = 5.0;

/// One answer of a peer.
struct Answer {
    version: String,
    p50_ms: f64,
    p99_ms: f64,
    bytes_per_event: f64,
    rows: Vec<Vec<i64>>,
}

/// Asks the peers what Daybook was asked, over what Daybook has exported: `export` holds the folder `events`. The range
/// begins at `start`, in seconds since 1970.
pub(super) async fn questions(export: &Path, start: u64, report: &mut Report, ours: &[OurAnswer]) -> Result<()> {
    let Some(python) = std::env::var_os(PYTHON) else {
        left_out(report, "DuckDB and chDB", &format!("{PYTHON} is not set; tests/setup/peers.sh prints it"));
        return Ok(());
    };
    let mut table = Table::new(["question", "program", "p50, ms", "p99, ms", "p50 ÷ Daybook's"]);
    let row = |table: &mut Table, question: &str, program: &str, p50_ms: f64, p99_ms: f64, ratio: f64| {
        let ms = |ms: f64| format!("{ms:.1}");
        table.row([question.to_owned(), program.to_owned(), ms(p50_ms), ms(p99_ms), format!("{ratio:.1} ×")]);
    };
    let mut peers = Vec::new();
    for peer in PEERS {
        match ask(&python, peer, export, start, ours).await? {
            Ok(answers) => peers.push((peer, answers)),
            Err(why) => left_out(report, peer, &why),
        }
    }
    for (at, ours) in ours.iter().enumerate() {
        row(&mut table, ours.question, "Daybook", ours.p50_ms, ours.p99_ms, 1.0);
        for (peer, answers) in &peers {
            let theirs = answers.get(at).context("a peer left a question out")?;
            ensure_same(peer, ours, &theirs.rows)?;
            row(&mut table, ours.question, peer, theirs.p50_ms, theirs.p99_ms, theirs.p50_ms / ours.p50_ms);
        }
        let best = peers.iter().filter_map(|(_, answers)| Some(answers.get(at)?.p50_ms)).min_by(f64::total_cmp);
        if let (Some(best), "funnel") = (best, ours.question) {
            let ratio = best / ours.p50_ms;
            let aim = "funnel of five steps: p50 of the better of DuckDB and chDB against Daybook's";
            report.aim(aim, &format!("≥ {FUNNEL_AIM:.0} ×"), format!("{ratio:.2} ×"), ratio >= FUNNEL_AIM);
        }
    }
    if !peers.is_empty() {
        report.table(Part::Events, &table);
        let of = |(peer, answers): &(&str, Vec<Answer>)| {
            let first = answers.first()?;
            Some(format!("{peer} {}, {:.1} bytes an event on disk", first.version, first.bytes_per_event))
        };
        let programs: Vec<_> = peers.iter().filter_map(of).collect();
        report.note(
            Part::Events,
            format!(
                "The same events, exported by Daybook and loaded into tables of the peers' own, warm, on two threads, \
                 each question {ASKED} times: {}. The numbers of all answers are the same.",
                programs.join("; ")
            ),
        );
    }
    Ok(())
}

/// The answers of a peer to all questions, or why it could not be asked.
async fn ask(
    python: &OsString,
    peer: &str,
    export: &Path,
    start: u64,
    ours: &[OurAnswer],
) -> Result<Result<Vec<Answer>, String>> {
    let scratch = tempfile::tempdir_in(export)?;
    let start = jiff::Timestamp::from_second(i64::try_from(start)?)?.strftime("%Y-%m-%d").to_string();
    let (days, window, times) = (DAYS.to_string(), WINDOW_DAYS.to_string(), ASKED.to_string());
    let steps = NAMES[..5].join(",");
    let mut command = Command::new(python);
    // -B: nothing is written beside the program.
    command.args(["-B", PROGRAM]).arg(export).args(["--peer", peer]).arg("--scratch").arg(scratch.path());
    command.args(["--start", &start, "--days", &days, "--steps", &steps, "--window-days", &window, "--times", &times]);
    let output = match command.output().await {
        Ok(output) if output.status.success() => output,
        Ok(output) => return Ok(Err(last_words(&output))),
        Err(error) => return Ok(Err(format!("Python cannot be started: {error}"))),
    };
    let lines: Vec<Value> =
        String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |ours: &OurAnswer| {
        let line = lines.iter().find(|line| line["question"] == ours.question);
        answer(line.with_context(|| format!("{peer} has no answer to {}", ours.question))?)
    };
    Ok(Ok(ours.iter().map(of).collect::<Result<_>>()?))
}

fn answer(line: &Value) -> Result<Answer> {
    let number = |name: &str| line[name].as_f64().with_context(|| format!("{name} is missing: {line}"));
    Ok(Answer {
        version: line["version"].as_str().unwrap_or_default().to_owned(),
        p50_ms: number("p50_ms")?,
        p99_ms: number("p99_ms")?,
        bytes_per_event: number("bytes_per_event")?,
        rows: serde_json::from_value(line["answer"].clone())?,
    })
}

/// Lets the same events come in on one broker: to Daybook, then to the program on Kafka Streams.
pub(super) async fn streams(folder: &Path, scale: &Scale, start: u64, report: &mut Report) -> Result<()> {
    let who = "Daybook and Kafka Streams on one broker";
    let Some(class_path) = std::env::var_os(CLASS_PATH) else {
        let why = format!("{CLASS_PATH} is not set; tests/setup/peers-streams.sh prints it");
        left_out(report, who, &why);
        return Ok(());
    };
    let broker = match Broker::start().await {
        Ok(broker) => broker,
        Err(error) => {
            left_out(report, who, &format!("{error:#}"));
            return Ok(());
        }
    };
    let node = ChildNode::start(folder.join("on-kafka"), &format!("kafka://{}", broker.address()), "product").await?;
    let client = Arc::new(Client::connect(&node.address, &node.data, &[TENANT.to_owned()]).await?);
    set_up(&client).await?;
    let ours = record(&node, &client, scale, start).await?.per_second;
    node.stop().await?;

    let (state, total) = (folder.join("streams"), scale.events.to_string());
    let mut command = Command::new("java");
    command.args(["-Xmx3g", "-XX:+UseParallelGC", "-cp"]).arg(class_path).arg("Main").arg(broker.address());
    command.args([total, scale.actors.to_string(), start.to_string()]).arg(&state);
    let output = match command.output().await {
        Ok(output) if output.status.success() => output,
        Ok(output) => bail!("the Kafka Streams peer failed: {}", last_words(&output)),
        Err(error) => {
            left_out(report, "Kafka Streams", &format!("java cannot be started: {error}"));
            return Ok(());
        }
    };
    let line: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(line["events"] == scale.events, "Kafka Streams counts all of them: {line}");
    let seconds = line["seconds"].as_f64().context("a time is missing")?;
    let version = line["version"].as_str().unwrap_or_default();
    let theirs = scale.events as f64 / seconds;

    let mut table = Table::new(["on one broker", "events", "events/s", "÷ Kafka Streams"]);
    for (program, per_second) in [("Daybook".to_owned(), ours), (format!("Kafka Streams {version}"), theirs)] {
        let ratio = format!("{:.2} ×", per_second / theirs);
        table.row([program, count(scale.events as f64), count(per_second), ratio]);
    }
    report.table(Part::Events, &table);
    let ratio = ours / theirs;
    let aim = "events of product use, Kafka: events/s against Kafka Streams";
    report.aim(aim, &format!("≥ {INGEST_AIM:.0} ×"), format!("{ratio:.2} ×"), ratio >= INGEST_AIM);
    Ok(())
}

/// The last line that a program wrote to its error output.
fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| output.status.to_string(), ToOwned::to_owned)
}

fn left_out(report: &mut Report, who: &str, why: &str) {
    report.note(Part::Events, format!("Not measured: {who} ({why})."));
}
