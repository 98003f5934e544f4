//! The one story: a hold stops deletions, two people release it, and what was put off happens by itself. It must come
//! out the same whatever the log is.

use daybook_kernel::time::duration_to_proto;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{Position, Receipt};
use daybook_proto::platform::v1::{AdvanceClockRequest, AdvanceClockResponse};

use crate::eventually;
use crate::node::{Node, new_id};
use crate::people::{LEA, LEO, RITA, ROOT};
use crate::refusal::Refusal;
use crate::requests::*;

const ADA: &str = "ada@example.org";
const BOB: &str = "Bob@Example.org";

/// A receipt that proves something: an id, a place, a time and a hash.
#[track_caller]
pub fn position(receipt: &Option<Receipt>) -> Position {
    let receipt = receipt.as_ref().expect("an answer to a command has a receipt");
    assert_eq!(receipt.command_id.len(), 36, "{receipt:?}");
    assert_eq!(receipt.command_hash.len(), 64, "{receipt:?}");
    assert!(receipt.decided_at.is_some(), "{receipt:?}");
    receipt.position.expect("a decided command has a position")
}

/// The state of an item.
pub async fn state(node: &Node, id: &str) -> ItemState {
    let found: GetItemResponse = node.ask(&RITA, &get_item(id)).await;
    found.item.expect("an item").state()
}

/// Waits until an item is deleted physically, and returns the proof.
pub async fn purged(node: &Node, id: &str) -> ItemStatus {
    eventually(&format!("{id} is deleted physically"), async || {
        let found: GetItemResponse = node.ask(&RITA, &get_item(id)).await;
        found.item.filter(|item| item.state() == ItemState::Purged)
    })
    .await
}

/// Releases a hold as two people do.
pub async fn release_by_two(node: &Node, hold_id: &str) -> Hold {
    let asked: ReleaseHoldResponse = node.ask(&LEA, &release(hold_id)).await;
    let change = asked.hold.and_then(|hold| hold.pending_change).expect("the release waits for a second person");
    let approved: ApproveHoldChangeResponse = node.ask(&LEO, &approve(hold_id, &change.change_id)).await;
    approved.hold.expect("the hold")
}

/// Tells the story by gRPC.
pub async fn tell(node: &Node) {
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("month", 30)).await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    for item in [item("a", "century", ADA), item("b", "century", BOB), item("due", "month", ADA)] {
        let registered: RegisterItemResponse = node.ask(&RITA, &register(item)).await;
        assert!(registered.created);
    }

    // What would it hold? The scope names a person as people write addresses.
    let scope = on(" ADA@example.org ");
    let preview = PreviewScopeRequest { scope: Some(scope.clone()), ..Default::default() };
    let preview: PreviewScopeResponse = node.ask(&LEA, &preview).await;
    assert_eq!((preview.matching_items, preview.newly_held_items), (2, 2));
    assert_eq!(preview.sample_item_ids, ["a", "due"]);

    let placed: PlaceHoldResponse = node.ask(&LEA, &place("h", scope)).await;
    let held_from = position(&placed.receipt);
    let hold = placed.hold.expect("the hold");
    assert_eq!((hold.state(), hold.placed_by.as_str(), hold.placed_at), (HoldState::Active, "lea", Some(held_from)));
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("later", "century", ADA))).await;

    // Deletion is asked for: the held item is put off, the other one goes.
    let answered: DisposeItemsResponse = node.ask(&RITA, &dispose(&["a", "b"])).await;
    let asked_at = position(&answered.receipt);
    assert!(asked_at.offset > held_from.offset);
    let disposed = Disposition { item_id: "b".into(), disposed: true, ..Default::default() };
    let deferred = Disposition { item_id: "a".into(), hold_ids: vec!["h".into()], ..Default::default() };
    assert_eq!(answered.dispositions, [disposed, deferred]);
    purged(node, "b").await;

    // The gate for other systems says the same, also of items that Daybook has never seen.
    let never_seen = ItemAttributes {
        kind: ItemKind::Message.into(),
        data_category: "email".into(),
        entities: vec![person(ADA)],
        ..Default::default()
    };
    let mut question = check(&["a", "later", "b", "ghost"], Some(asked_at));
    question.checks.push(DispositionCheck { target: Some(disposition_check::Target::Attributes(never_seen)) });
    let gate: CheckDispositionResponse = node.ask(&RITA, &question).await;
    assert!(gate.position.expect("a position").offset >= asked_at.offset);
    use DispositionVerdict::{Held, NotHeld, UnknownItem};
    let verdicts: Vec<_> = gate.results.iter().map(|result| (result.allowed, result.verdict())).collect();
    assert_eq!(verdicts, [(false, Held), (false, Held), (true, NotHeld), (false, UnknownItem), (false, Held)]);
    assert_eq!(gate.results[0].hold_ids, ["h"]);

    // Retention falls due: the same.
    let by = AdvanceClockRequest { by: Some(duration_to_proto(31 * DAY)), ..Default::default() };
    let _: AdvanceClockResponse = node.ask(&ROOT, &by).await;
    let due = eventually("retention falls due", async || {
        let found: GetItemResponse = node.ask(&RITA, &get_item("due")).await;
        found.item.filter(|item| item.state() != ItemState::Active)
    })
    .await;
    assert_eq!((due.state(), due.cause()), (ItemState::Deferred, DispositionCause::Retention));
    assert_eq!(due.matching_hold_ids, ["h"]);

    // A release takes two people.
    let asked: ReleaseHoldResponse = node.ask(&LEA, &release("h")).await;
    let hold = asked.hold.expect("the hold");
    assert_eq!((hold.state(), hold.deferred_items), (HoldState::Active, 2), "asking releases nothing");
    let change = hold.pending_change.expect("a change that waits");
    assert_eq!(change.requested_by, "lea");
    let alone = node.try_ask::<_, ApproveHoldChangeResponse>(&LEA, &approve("h", &change.change_id)).await;
    let alone = Refusal::of_grpc(&alone.expect_err("the same person"));
    assert_eq!((alone.status, alone.code.as_str()), (tonic::Code::PermissionDenied, "SECOND_PERSON_REQUIRED"));
    assert_eq!((state(node, "a").await, state(node, "due").await), (ItemState::Deferred, ItemState::Deferred));
    let approved: ApproveHoldChangeResponse = node.ask(&LEO, &approve("h", &change.change_id)).await;
    let released_at = position(&approved.receipt);
    assert_eq!(approved.hold.expect("the hold").state(), HoldState::Released, "the delay is zero");

    // What was put off happens by itself; the key is destroyed, with proof. What was only held goes on.
    for id in ["a", "due"] {
        let item = purged(node, id).await;
        let proof = item.key_destruction.expect("the proof");
        assert_eq!((proof.key_fingerprint.len(), proof.had_no_content), (64, false));
        assert!(proof.destroyed_at.is_some() && item.disposed_at.is_some());
        let revealed = node.try_ask::<_, RevealItemResponse>(&LEA, &reveal(id)).await;
        assert_eq!(Refusal::of_grpc(&revealed.expect_err("gone")).code, "CONTENT_NOT_AVAILABLE");
    }
    let later: RevealItemResponse = node.ask(&LEA, &reveal("later")).await;
    let later = later.item.expect("the item");
    assert_eq!((later.title.as_str(), later.body.as_str()), ("title of later", "body of later"));
    assert_eq!((later.entities[0].id.as_str(), later.entities[0].display_name.as_str()), (ADA, "Display ada"));

    // The audit has all of it, each with position and hash.
    let audit = ListAuditEntriesRequest { hold_id: "h".into(), ..Default::default() };
    let audit: ListAuditEntriesResponse = node.ask(&LEA, &audit).await;
    let told: Vec<_> = audit.entries.iter().map(|entry| (entry.action(), entry.actor_id.as_str())).collect();
    use AuditAction::{ChangeApproved, ChangeRequested, HoldPlaced, HoldReleased, ItemsDeferred};
    assert_eq!(told[0], (HoldPlaced, "lea"));
    assert_eq!(told[1], (ItemsDeferred, "rita"));
    assert_eq!(told[2].0, ItemsDeferred, "by retention");
    assert_eq!(told[3..], [(ChangeRequested, "lea"), (ChangeApproved, "leo"), (HoldReleased, "leo")]);
    let places: Vec<_> = audit.entries.iter().map(|entry| entry.position.expect("a position").offset).collect();
    assert_eq!((places[0], places[1]), (held_from.offset, asked_at.offset));
    assert_eq!((places[4], places[5]), (released_at.offset, released_at.offset), "one decision, two facts");
    assert!(places.is_sorted() && audit.entries.iter().all(|entry| entry.command_hash.len() == 64));
    let approval = approved.receipt.expect("a receipt");
    assert_eq!(audit.entries[4].command_hash, approval.command_hash);

    // Another command under the same id gets the first one's answer.
    let again = RevealItemRequest { command_id: new_id(), ..reveal("later") };
    let first: RevealItemResponse = node.ask(&LEA, &again).await;
    let second: RevealItemResponse = node.ask(&LEA, &again).await;
    assert_eq!(position(&first.receipt), position(&second.receipt));
    assert!(second.receipt.expect("a receipt").duplicate);
    assert_eq!(second.item.expect("the item").body, "", "an access is good once");
}
