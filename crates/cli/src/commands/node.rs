//! `daybook status` and `daybook outcome`: what a node says.

use std::time::Duration;

use daybook_proto::node::v1;

use crate::args::{OutcomeOf, Status};
use crate::failure::Outcome;
use crate::output::{self, line, plain, short};
use crate::session::Session;
use crate::units;

/// How the node stands.
pub(crate) async fn status(arguments: Status, session: &Session) -> Outcome {
    loop {
        let status: v1::GetStatusResponse = session.client.ask(&v1::GetStatusRequest {}).await?;
        if arguments.watch && !session.json {
            // Clears the screen.
            line("\u{1b}[2J\u{1b}[H");
        }
        session.show(&status, show_status)?;
        if !arguments.watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Nothing while the keys can be read.
fn token_keys(status: &v1::GetStatusResponse) -> String {
    let Some(keys) = status.token_keys.as_ref().filter(|keys| !keys.problem.is_empty()) else { return String::new() };
    let age_s = keys.age.as_ref().map_or(0, |age| age.seconds);
    format!("cannot be read again for {age_s} s: {}", keys.problem)
}

fn show_status(status: &v1::GetStatusResponse) {
    output::facts([
        ("node", format!("{} (Daybook {})", status.node_id, status.version)),
        ("log", status.log.clone()),
        ("ready", if status.ready { "yes" } else { "no" }.to_owned()),
        ("takes no commands", status.refuses_commands.clone()),
        ("token keys", token_keys(status)),
        ("mode", if status.development { "development: tokens are minted here" } else { "" }.to_owned()),
        ("feature level", feature_level(status)),
        ("started", units::show_time(status.started_at.as_ref())),
        ("disk free", format!("{:.1} GiB", status.disk_free_bytes as f64 / f64::from(1 << 30))),
    ]);
    let rows = status.partitions.iter().map(|partition| {
        let mut state = plain(partition.state().as_str_name(), "PARTITION_STATE_");
        if !partition.detail.is_empty() {
            state = format!("{state}: {}", partition.detail);
        }
        let standby = |standby: &v1::Standby| format!("{} ({})", standby.node_id, standby.lag);
        [
            partition.partition.to_string(),
            state,
            partition.owner_node_id.clone(),
            partition.standbys.iter().map(standby).collect::<Vec<_>>().join(", "),
            partition.epoch.to_string(),
            partition.next_command.to_string(),
            partition.apply_lag.to_string(),
            partition.dropped_records.to_string(),
            partition.parked_streams.to_string(),
            partition.open_effects.to_string(),
            partition.timers.to_string(),
            partition.alarms.to_string(),
            units::show_time(partition.newest_snapshot_at.as_ref()),
            units::show_time(partition.log_time.as_ref()),
            short(&partition.head_hash),
        ]
    });
    let header = [
        "partition",
        "state",
        "owner",
        "standbys (lag)",
        "epoch",
        "commands",
        "lag",
        "dropped",
        "parked",
        "effects",
        "timers",
        "alarms",
        "snapshot",
        "time of the log",
        "head",
    ];
    output::table(header, rows);
    for alarm in &status.alarms {
        let since = units::show_time(alarm.raised_at.as_ref());
        line(format_args!("ALARM in tenant {} since {since}: {}", alarm.tenant_id, alarm.text));
    }
    show_inbox(status);
    if status.nodes.is_empty() {
        return;
    }
    let nodes = status.nodes.iter().map(|node| {
        let stands = match (node.reachable, node.leaving) {
            (false, _) => "does not answer",
            (true, true) => "is leaving",
            (true, false) => "well",
        };
        let [leads, follows] = [node.leads, node.follows].map(|count| count.to_string());
        [node.node_id.clone(), node.address.clone(), stands.to_owned(), leads, follows, node.version.clone()]
    });
    output::table(["other node", "address", "stands", "leads", "follows", "version"], nodes);
}

/// The partitions of inbox topics that the node reads.
fn show_inbox(status: &v1::GetStatusResponse) {
    if !status.inbox_detail.is_empty() {
        output::facts([("inbox", status.inbox_detail.clone())]);
    }
    if status.inbox.is_empty() {
        return;
    }
    let rows = status.inbox.iter().map(|partition| {
        let stands = match (partition.stands_still, partition.lag) {
            (true, _) => "STANDS STILL",
            (false, 0) => "nothing waits",
            (false, _) => "moves",
        };
        let next = partition.next_offset.map(|next| next.to_string()).unwrap_or_default();
        let [number, lag] = [partition.partition.to_string(), partition.lag.to_string()];
        [partition.topic.clone(), number, stands.to_owned(), next, lag, partition.detail.clone()]
    });
    output::table(["inbox topic", "partition", "stands", "next", "waiting", "detail"], rows);
}

/// The level of the log, and that of the release where it is another.
fn feature_level(status: &v1::GetStatusResponse) -> String {
    let v1::GetStatusResponse { feature_level, newest_feature_level, .. } = status;
    if feature_level == newest_feature_level {
        return feature_level.to_string();
    }
    format!("{feature_level} (this release understands up to {newest_feature_level})")
}

/// What became of a command.
pub(crate) async fn outcome(arguments: OutcomeOf, session: &Session) -> Outcome {
    let request = v1::GetCommandRequest { tenant_id: session.tenant.clone(), command_id: arguments.command_id };
    let response: v1::GetCommandResponse = session.client.ask(&request).await?;
    session.show(&response, |response| {
        let receipt = response.receipt.clone().unwrap_or_default();
        let rejected = response.rejected.clone().unwrap_or_default();
        let kind = [response.domain.as_str(), response.kind.as_str()].join(".");
        output::facts([
            ("outcome", plain(response.outcome().as_str_name(), "COMMAND_OUTCOME_")),
            ("command", kind.trim_matches('.').to_owned()),
            ("position", output::position(receipt.position.as_ref())),
            ("decided", units::show_time(receipt.decided_at.as_ref())),
            ("command hash", receipt.command_hash),
            ("code", rejected.code),
            ("reason", rejected.message),
            ("policy set", response.policy_set_hash.clone()),
            ("determined by", response.determining_policies.join(", ")),
        ]);
    })
}
