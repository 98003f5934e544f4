//! The steps. What it says has happened is checked: where something comes out otherwise, the demo fails.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{self, ItemState};
use daybook_replay::Until;
use daybook_rocks::Memory;
use serde_json::{Value, json};

use crate::client::new_id;
use crate::commands::demo::node::DemoNode;
use crate::commands::demo::teller::{Teller, expect};
use crate::commands::log::{self, CACHE_BYTES};
use crate::commands::replay::{self, WRITE_BUFFER_BYTES};
use crate::commands::{export, export_check, hold, item, platform};
use crate::failure::{Failure, Outcome};
use crate::offline::ReadableLog;
use crate::output::short;
use crate::session::{Session, scratch};
use crate::{period, units};

const HOLD: &str = "harbour-crane";
const CLASS: &str = "mail";
const DAY: Duration = Duration::from_secs(86_400);
/// How long what happens by itself may take.
const HAPPENS_WITHIN: Duration = Duration::from_secs(120);
/// Rows of a table that are shown.
const SHOWN: usize = 6;

/// Tells the story, and returns what came out.
pub(crate) async fn tell(node: &DemoNode, mail: &[PathBuf], custodian: Option<&str>, json: bool) -> Outcome<Value> {
    let mut teller = Teller { json, step: 0 };
    let admin = node.session("olga", &["admin"])?;
    let records = node.session("rita", &["records-manager"])?;
    let colleague = node.session("ruth", &["records-manager"])?;
    let alice = node.session("alice", &["legal"])?;
    let bob = node.session("bob", &["legal"])?;
    let tenant = &node.tenant;
    teller.say("A legal hold stops a deletion");
    teller.say(format_args!("node {}, log {}, tenant {tenant}", node.address, node.log));
    teller.say("olga is an administrator, rita and ruth are records managers, alice and bob are lawyers");

    teller.step("rita says how long mail is kept, and imports a mailbox");
    let messages = Messages::read(mail)?;
    platform::create_tenant(&admin, tenant, "Demo").await?;
    let custodian = custodian.map_or_else(|| messages.most_frequent(), |custodian| Ok(custodian.to_lowercase()))?;
    // Long enough that nothing is due yet.
    let now = decided_at(set_class(&records, 100 * 365 * DAY, 0).await?.receipt)?;
    let long = whole_days(now.since(messages.oldest)) + 2 * DAY;
    set_class(&records, long, 0).await?;
    teller.command(format_args!("--as rita retention set {CLASS} --period {}", show(long)));
    teller.command(format_args!("--as rita item import {} --retention {CLASS}", names(mail)));
    let options =
        daybook_mail::Options { retention_class: CLASS, data_category: "email", case_ids: &[], custodians: &[] };
    let imported = item::import(&records, mail, &options, false).await?;
    teller.show(|| imported.show());
    let total = imported.created;

    teller.step(&format!("alice looks what a hold on {custodian} would match, and places it"));
    let scope =
        v1::Scope { entities: vec![v1::Entity { id: custodian.clone(), ..Default::default() }], ..Default::default() };
    teller.command(format_args!("--as alice hold preview --custodian {custodian}"));
    let preview =
        v1::PreviewScopeRequest { tenant_id: tenant.clone(), scope: Some(scope.clone()), ..Default::default() };
    let preview: v1::PreviewScopeResponse = alice.client.ask(&preview).await?;
    teller.say(format_args!("it would match {} of {total} items", preview.matching_items));
    let held = preview.matching_items;
    expect(held > 0, || format!("no message concerns {custodian}"))?;
    teller.command(format_args!("--as alice hold place --id {HOLD} --custodian {custodian} ..."));
    let placed = place(&alice, scope).await?;
    teller.show(|| hold::show(&placed));
    teller.say("the log holds no address: people are pseudonyms, made at the door with a key of the tenant");

    teller.step("somebody wants two messages deleted: one is held, one is not");
    let (held_id, free_id) = one_of_each(&records).await?;
    teller.command(format_args!("--as rita item dispose {held_id} {free_id} --reason 'tidying up'"));
    let disposed = item::dispose(&records, vec![held_id.clone(), free_id.clone()], "tidying up").await?;
    teller.show(|| item::show_dispositions(&disposed.dispositions));
    let stands = disposed.dispositions.iter().all(|one| one.disposed == (one.item_id == free_id));
    expect(stands, || "the hold did not stop the deletion".to_owned())?;

    teller.step(
        "rita wants to keep mail for less long; as messages fall due by it, she says how many may, and ruth agrees",
    );
    let shorter = whole_days(now.since(messages.newest)) + DAY;
    teller.command(format_args!("--as rita retention preview {CLASS} --period {}", show(shorter)));
    let due = preview_class(&records, shorter).await?.due_items;
    teller.say(format_args!("{due} messages would fall due within 30 days"));
    let code = refused(set_class(&records, shorter, 0).await, "items fell due without a word")?;
    teller.say(format_args!("refused without their number: {code}"));
    teller.command(format_args!("--as rita retention set {CLASS} --period {} --accept-due {due}", show(shorter)));
    let waits = set_class(&records, shorter, due).await?.retention_class.and_then(|status| status.pending_change);
    let waits = waits.ok_or_else(|| Failure::new("the demo did not go as it should: the change did not wait"))?;
    teller.command(format_args!("--as ruth retention approve {CLASS} --accept-due {due}"));
    approve_class(&colleague, waits.change_id, due).await?;

    teller.step("the clock of the log moves on: retention runs out for all of it");
    teller.command("clock --advance 2d");
    platform::advance_clock(&admin, 2 * DAY).await?;
    let deferred = until(&records, "retention ran", |items| {
        let settled = items.iter().all(|item| item.state() != ItemState::Active);
        settled.then(|| items.iter().filter(|item| item.state() == ItemState::Deferred).cloned().collect::<Vec<_>>())
    })
    .await?;
    teller.say(format_args!(
        "{} messages are gone; {} deletions are deferred, because a hold matches them:",
        total - held,
        deferred.len()
    ));
    teller.command(format_args!("item list --deferred-by {HOLD}"));
    teller.show(|| item::show_items(&deferred[..deferred.len().min(SHOWN)]));
    expect(deferred.len() as u64 == held, || format!("{} deletions were deferred, {held} expected", deferred.len()))?;

    teller.step("alice opens a held message; that is an access, decided and recorded");
    teller.command(format_args!("--as alice item reveal {held_id} --purpose 'first review'"));
    let revealed = item::reveal(&alice, held_id.clone(), "first review".to_owned()).await?;
    let opened = revealed.item.unwrap_or_default();
    teller.say(format_args!("title  {}", opened.title));
    for line in opened.body.lines().filter(|line| !line.is_empty()).take(3) {
        teller.say(format_args!("       {line}"));
    }
    let gone = item::reveal(&alice, free_id.clone(), "curiosity".to_owned()).await;
    let code = refused(gone, "a deleted message was opened")?;
    teller.say(format_args!("a deleted one cannot be opened by anybody: {code}"));

    teller.step("a release needs two people");
    teller.command(format_args!("--as alice hold release {HOLD} --reason 'the matter is settled' --delay 0"));
    let asked = release(&alice).await?;
    let change_id = asked.pending_change.map(|change| change.change_id).unwrap_or_default();
    teller.command(format_args!("--as alice hold approve {HOLD}"));
    let code = refused(approve(&alice, &change_id).await, "the same person approved")?;
    teller.say(format_args!("refused: {code}"));
    teller.command(format_args!("--as bob hold approve {HOLD}"));
    let released = approve(&bob, &change_id).await?;
    teller.say(format_args!("{HOLD} is {}", crate::output::plain(released.state().as_str_name(), "HOLD_STATE_")));

    teller.step("the deferred deletions take place, and the keys of the content are destroyed");
    let purged = until(&records, "the deferred deletions happened", |items| {
        items.iter().all(|item| item.state() == ItemState::Purged).then_some(items.len())
    })
    .await?;
    teller.say(format_args!(
        "{purged} of {total} messages are deleted physically: what is on the log cannot be read any more"
    ));
    expect(purged as u64 == total, || format!("{purged} of {total} messages are gone"))?;

    teller.step("the audit, and a copy that anybody can check");
    teller.command(format_args!("hold audit --hold {HOLD}"));
    let auditor = node.session("ann", &["auditor"])?;
    let request =
        v1::ListAuditEntriesRequest { tenant_id: tenant.clone(), hold_id: HOLD.to_owned(), ..Default::default() };
    let audit = auditor.client.list(request).await?;
    teller.show(|| hold::show_audit(&audit.entries));
    let (_folder, folder) = scratch("export")?;
    let file = folder.join("audit.jsonl");
    teller.command(format_args!(
        "hold audit --hold {HOLD} --export audit.jsonl; daybook log verify --export audit.jsonl"
    ));
    let written = export::write_file(&auditor, &audit, &file).await?;
    let checked = export_check::check(&file, Some(written.head))?;
    let (entries, links, head) = (checked.entries.len(), checked.chain.links, short(&checked.chain.head.to_hex()));
    teller.say(format_args!("{entries} entries stand in a chain of {links} links that ends in {head}"));

    teller.step("the log is read again: is it whole, would it be decided the same, does the state follow from it?");
    let memory = Memory::new(CACHE_BYTES, WRITE_BUFFER_BYTES);
    let (_folder, folder) = scratch("replay")?;
    let readable = ReadableLog::open(&node.config, &folder, &memory).await.map_err(|failure| {
        failure.hint("the log is not where this configuration says; run `daybook log verify` where the node runs")
    })?;
    teller.command("log verify");
    let walks = log::walk_all(&readable, None, None).await?;
    teller.show(|| walks.show());
    walks.judge(None)?;
    teller.command("replay verify");
    let verified = replay::verify_all(&readable, None, &memory).await?;
    teller.show(|| verified.show());
    verified.judge()?;
    teller.command("replay rebuild --compare");
    let rebuilt = replay::rebuild_all(&readable, None, Until::End, None, Some(&admin.client), &memory).await?;
    teller.show(|| rebuilt.show());
    rebuilt.judge()?;

    Ok(json!({
        "tenantId": tenant, "log": node.log, "imported": total, "skipped": imported.skipped.len(),
        "held": held, "purged": purged, "auditEntries": audit.entries.len(), "verified": true,
    }))
}

/// The code with which something was refused.
fn refused<T>(outcome: Outcome<T>, otherwise: &str) -> Outcome<String> {
    match outcome {
        Ok(_) => Err(Failure::new(format!("the demo did not go as it should: {otherwise}"))),
        Err(failure) => match failure.code() {
            Some(code) => Ok(format!("{code}: {}", failure.message())),
            None => Err(failure),
        },
    }
}

fn names(mail: &[PathBuf]) -> String {
    let names = mail.iter().map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned());
    names.collect::<Vec<_>>().join(" ")
}

/// What the story needs to know of the mail before it is imported.
struct Messages {
    oldest: Timestamp,
    newest: Timestamp,
    people: HashMap<String, u64>,
}

impl Messages {
    fn read(mail: &[PathBuf]) -> Outcome<Self> {
        let options =
            daybook_mail::Options { retention_class: CLASS, data_category: "email", case_ids: &[], custodians: &[] };
        let mut messages = Self { oldest: Timestamp::MAX, newest: Timestamp::MIN, people: HashMap::new() };
        for batch in daybook_mail::batches(daybook_mail::read(mail, &options)?) {
            for item in batch.mail.into_iter().map(|mail| mail.item) {
                let created = item.created_at.as_ref().and_then(|time| Timestamp::from_proto(time).ok());
                let created = created.ok_or_else(|| Failure::new("a message has no time"))?;
                messages.oldest = messages.oldest.min(created);
                messages.newest = messages.newest.max(created);
                let people: std::collections::HashSet<_> = item.entities.into_iter().map(|entity| entity.id).collect();
                people.into_iter().for_each(|id| *messages.people.entry(id).or_default() += 1);
            }
        }
        match messages.people.is_empty() {
            true => Err(Failure::new("there is no message in the mailboxes")),
            false => Ok(messages),
        }
    }

    /// Whoever is in most messages but not in all of them: a hold on them shows both sides.
    fn most_frequent(&self) -> Outcome<String> {
        let total = self.people.values().max().copied().unwrap_or_default();
        let people = self.people.iter().filter(|(_, count)| **count < total || self.people.len() == 1);
        let most = people.max_by_key(|(id, count)| (**count, std::cmp::Reverse(id.as_str())));
        most.map(|(id, _)| id.clone()).ok_or_else(|| Failure::new("nobody is named in the messages"))
    }
}

/// How long mail is kept, as a class.
fn class(period: Duration) -> Option<v1::RetentionClass> {
    Some(v1::RetentionClass {
        retention_class_id: CLASS.to_owned(),
        period: Some(units::proto_duration(period)),
        action: v1::RetentionAction::Delete.into(),
        ..Default::default()
    })
}

/// Says how long mail is kept.
async fn set_class(
    records: &Session,
    period: Duration,
    accept_due_items: u64,
) -> Outcome<v1::SetRetentionClassResponse> {
    let request = v1::SetRetentionClassRequest {
        command_id: new_id(),
        tenant_id: records.tenant.clone(),
        retention_class: class(period),
        accept_due_items,
    };
    records.client.command(&request.command_id, &request).await
}

/// What a period of the class would do.
async fn preview_class(records: &Session, period: Duration) -> Outcome<v1::PreviewRetentionClassResponse> {
    let request = v1::PreviewRetentionClassRequest {
        tenant_id: records.tenant.clone(),
        retention_class: class(period),
        ..Default::default()
    };
    records.client.ask(&request).await
}

async fn approve_class(
    who: &Session,
    change_id: String,
    accept_due_items: u64,
) -> Outcome<v1::ApproveRetentionChangeResponse> {
    let request = v1::ApproveRetentionChangeRequest {
        command_id: new_id(),
        tenant_id: who.tenant.clone(),
        retention_class_id: CLASS.to_owned(),
        change_id,
        comment: "agreed".to_owned(),
        accept_due_items,
    };
    who.client.command(&request.command_id, &request).await
}

fn decided_at(receipt: Option<daybook_proto::log::v1::Receipt>) -> Outcome<Timestamp> {
    let time = receipt.and_then(|receipt| receipt.decided_at).and_then(|time| Timestamp::from_proto(&time).ok());
    time.ok_or_else(|| Failure::new("no time came back"))
}

fn whole_days(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() / DAY.as_secs() * DAY.as_secs())
}

fn show(duration: Duration) -> String {
    period::show_duration(Some(&units::proto_duration(duration)))
}

async fn place(alice: &Session, scope: v1::Scope) -> Outcome<v1::Hold> {
    let request = v1::PlaceHoldRequest {
        command_id: new_id(),
        tenant_id: alice.tenant.clone(),
        hold_id: HOLD.to_owned(),
        name: "Harbour crane".to_owned(),
        matter_id: "M-2026-017".to_owned(),
        reason: "litigation is expected".to_owned(),
        scope: Some(scope),
        ..Default::default()
    };
    let response: v1::PlaceHoldResponse = alice.client.command(&request.command_id, &request).await?;
    response.hold.ok_or_else(|| Failure::new("the node showed no hold"))
}

async fn release(alice: &Session) -> Outcome<v1::Hold> {
    let request = v1::ReleaseHoldRequest {
        command_id: new_id(),
        tenant_id: alice.tenant.clone(),
        hold_id: HOLD.to_owned(),
        reason: "the matter is settled".to_owned(),
        delay: Some(prost_types::Duration::default()),
        calendar_delay: None,
    };
    let response: v1::ReleaseHoldResponse = alice.client.command(&request.command_id, &request).await?;
    response.hold.ok_or_else(|| Failure::new("the node showed no hold"))
}

async fn approve(who: &Session, change_id: &str) -> Outcome<v1::Hold> {
    let request = v1::ApproveHoldChangeRequest {
        command_id: new_id(),
        tenant_id: who.tenant.clone(),
        hold_id: HOLD.to_owned(),
        change_id: change_id.to_owned(),
        comment: "agreed".to_owned(),
    };
    let response: v1::ApproveHoldChangeResponse = who.client.command(&request.command_id, &request).await?;
    response.hold.ok_or_else(|| Failure::new("the node showed no hold"))
}

async fn items(session: &Session) -> Outcome<Vec<v1::ItemStatus>> {
    let request = v1::ListItemsRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    Ok(session.client.list(request).await?.items)
}

/// An item that is held, and one that is not, as the gate says.
async fn one_of_each(session: &Session) -> Outcome<(String, String)> {
    let ids: Vec<_> = items(session).await?.into_iter().filter_map(|status| Some(status.item?.item_id)).collect();
    let (mut held, mut free) = (None, None);
    for ids in ids.chunks(1_000) {
        let answer = item::ask_gate(session, ids).await?;
        for (id, result) in ids.iter().zip(answer.results) {
            let place = if result.allowed { &mut free } else { &mut held };
            place.get_or_insert_with(|| id.clone());
        }
    }
    held.zip(free).ok_or_else(|| Failure::new("a hold on this custodian matches all messages or none; name another"))
}

/// Waits until the items are as they should be.
async fn until<T>(session: &Session, what: &str, reached: impl Fn(&[v1::ItemStatus]) -> Option<T>) -> Outcome<T> {
    let started = tokio::time::Instant::now();
    loop {
        if let Some(reached) = reached(&items(session).await?) {
            return Ok(reached);
        }
        expect(started.elapsed() < HAPPENS_WITHIN, || format!("waited {HAPPENS_WITHIN:?} until {what}"))?;
        tokio::time::sleep(platform::LOOK_EVERY).await;
    }
}
