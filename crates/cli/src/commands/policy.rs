//! `daybook policy`: policy sets.

use std::path::Path;

use daybook_policy::{PolicyChange, diff};
use daybook_proto::platform::v1;
use serde_json::json;

use crate::args::{Global, Policy};
use crate::client::new_id;
use crate::commands::platform::{ARRIVES_WITHIN, LOOK_EVERY};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, short};
use crate::session::Session;
use crate::units;

/// Prints, publishes, activates, lists, shows and compares policy sets.
pub(crate) async fn run(policy: Policy, global: &Global) -> Outcome {
    let session = || global.session();
    match policy {
        Policy::Shipped { schema } => {
            shipped(schema);
            Ok(())
        }
        Policy::Publish { policies, schema, description } => {
            publish(&session()?, &policies, schema.as_deref(), description).await
        }
        Policy::Activate { hash, reason } => activate(&session()?, hash, reason).await,
        Policy::List => list(&session()?).await,
        Policy::Show { hash, schema } => show(&session()?, hash, schema).await,
        Policy::Diff { before, after } => compare(&session()?, &before, after.as_deref()).await,
    }
}

/// Prints the policies that ship, or their schema. No node is asked.
fn shipped(schema: bool) {
    let registry = daybook_domains::registry();
    let text = if schema { registry.shipped_schema() } else { daybook_domains::shipped_policies(&registry, false) };
    line(text.trim_end());
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

async fn publish(session: &Session, policies: &Path, schema: Option<&Path>, description: String) -> Outcome {
    // The schema in force, not the one of this program's release: the node may be of another.
    let schema = match schema {
        Some(path) => read(path)?,
        None => get(session, String::new()).await?.schema,
    };
    let request = v1::PublishPolicySetRequest {
        command_id: new_id(),
        policies: read(policies)?,
        schema,
        description,
        ..Default::default()
    };
    let response: v1::PublishPolicySetResponse = session.client.command(&request.command_id, &request).await?;
    session.show(&response, |response| {
        let hash = response.policy_set.as_ref().map(|set| set.policy_set_hash.clone()).unwrap_or_default();
        line(format_args!("published {hash}"));
        line(format_args!("it decides nothing until `daybook policy activate {} --reason ...`", short(&hash)));
    })
}

async fn activate(session: &Session, hash: String, reason: String) -> Outcome {
    let request =
        v1::ActivatePolicySetRequest { command_id: new_id(), policy_set_hash: hash, reason, ..Default::default() };
    let response: v1::ActivatePolicySetResponse = session.client.command(&request.command_id, &request).await?;
    let hash = response.policy_set.map(|set| set.policy_set_hash).unwrap_or_default();
    let started = tokio::time::Instant::now();
    loop {
        let set = get(session, hash.clone()).await?;
        if set.active_partitions >= set.partitions || !set.active {
            return session.show(&set, |set| {
                line(format_args!(
                    "{} decides on {} of {} partitions",
                    short(&hash),
                    set.active_partitions,
                    set.partitions
                ));
            });
        }
        if started.elapsed() > ARRIVES_WITHIN {
            let message =
                format!("{} decides on {} of {} partitions so far", hash, set.active_partitions, set.partitions);
            return Err(Failure::new(message).hint("the others follow; look again with `daybook policy list`"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn list(session: &Session) -> Outcome {
    let all = session.client.list(v1::ListPolicySetsRequest::default()).await?;
    session.show(&all, |all| {
        let rows = all.policy_sets.iter().map(|set| {
            let in_force = match (set.active, set.active_partitions) {
                (_, 0) => String::new(),
                (true, count) if count == set.partitions => "yes".to_owned(),
                (_, count) => format!("on {count} of {}", set.partitions),
            };
            [
                short(&set.policy_set_hash),
                in_force,
                units::show_time(set.published_at.as_ref()),
                set.published_by.clone(),
                set.description.clone(),
            ]
        });
        output::table(["hash", "in force", "published", "by", "description"], rows);
    })
}

async fn get(session: &Session, hash: String) -> Outcome<v1::PolicySet> {
    let request = v1::GetPolicySetRequest { policy_set_hash: hash, ..Default::default() };
    let response: v1::GetPolicySetResponse = session.client.ask(&request).await?;
    response.policy_set.ok_or_else(|| Failure::new("the node showed no policy set"))
}

async fn show(session: &Session, hash: Option<String>, schema: bool) -> Outcome {
    let set = get(session, hash.unwrap_or_default()).await?;
    session.show(&set, |set| line(if schema { set.schema.trim_end() } else { set.policies.trim_end() }))
}

/// The policies that a file or a published set has.
async fn policies(session: &Session, from: &str) -> Outcome<String> {
    let path = Path::new(from);
    if path.exists() { read(path) } else { Ok(get(session, from.to_owned()).await?.policies) }
}

async fn compare(session: &Session, before: &str, after: Option<&str>) -> Outcome {
    let (before, after) = (policies(session, before).await?, policies(session, after.unwrap_or_default()).await?);
    let changes = diff(&before, &after).map_err(|problems| {
        problems.iter().fold(Failure::new("a policy set cannot be read"), |failure, problem| {
            failure.hint(format!(
                "{}, line {}, column {}: {}",
                problem.part, problem.line, problem.column, problem.message
            ))
        })
    })?;
    if session.json {
        output::json(&changes.iter().map(as_json).collect());
        return Ok(());
    }
    if changes.is_empty() {
        line("they say the same");
    }
    for change in &changes {
        match change {
            PolicyChange::Added { id, text } => marked("+", "added", id, "", text),
            PolicyChange::Removed { id, text } => marked("-", "removed", id, text, ""),
            PolicyChange::Changed { id, before, after } => marked("~", "changed", id, before, after),
        }
    }
    Ok(())
}

fn as_json(change: &PolicyChange) -> serde_json::Value {
    match change {
        PolicyChange::Added { id, text } => json!({ "policy": id, "change": "added", "after": text }),
        PolicyChange::Removed { id, text } => json!({ "policy": id, "change": "removed", "before": text }),
        PolicyChange::Changed { id, before, after } => {
            json!({ "policy": id, "change": "changed", "before": before, "after": after })
        }
    }
}

fn marked(sign: &str, what: &str, id: &str, before: &str, after: &str) {
    line(format_args!("{sign} {id} ({what})"));
    before.lines().for_each(|text| line(format_args!("    - {text}")));
    after.lines().for_each(|text| line(format_args!("    + {text}")));
}
