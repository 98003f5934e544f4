//! What happens in a golden log: every kind of command, accepted, and every kind of event; what is refused, parked and
//! repeated; takeovers and records that do not count.
//!
//! A new kind is added at the end of the part it belongs to; then a further golden log is made beside those that are
//! there.

use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::Offset;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{self as log, decision::Outcome};
use daybook_proto::platform::v1 as platform;
use daybook_proto::privacy::v1::Sealed;
use daybook_proto::product_analytics::v1 as analytics;
use prost::Message;

use super::world::{Who, World, place_of, system};
use crate::requests::{DAY, approve, class, dispose, place, register, release, reveal};

const ROOT: Who<'_> = Who { name: "root", role: "admin", tenants: &["platform"] };
const RITA: Who<'_> = Who { name: "rita", role: "records-manager", tenants: &["acme", "globex", "initech"] };
const LEA: Who<'_> = Who { name: "lea", role: "legal", tenants: &["acme", "globex", "initech"] };
const RUTH: Who<'_> = Who { name: "ruth", ..RITA };
const LEO: Who<'_> = Who { name: "leo", role: "legal", tenants: &["acme", "globex", "initech"] };

const PIA: Who<'_> = Who { name: "pia", role: "product", tenants: &["acme"] };
const PETRA: Who<'_> = Who { name: "petra", role: "privacy", tenants: &["acme"] };

const HOUR: Duration = Duration::from_secs(3_600);

/// Tells it.
pub fn tell() -> World {
    let mut story = Story { world: World::new(), last: None };
    story.the_log_is_set_up();
    story.items_come_in();
    story.holds_are_placed_and_changed();
    story.deletions_are_asked_for();
    story.holds_start_and_end_by_themselves();
    story.a_hold_over_two_tenants();
    story.retention_falls_due();
    story.a_retention_class_is_shortened();
    story.a_product_is_used();
    story.owners_change();
    story.what_is_refused();
    story.a_stream_is_parked();
    story.a_tenant_is_suspended();
    story.the_clock_is_moved();
    story.the_end();
    story.world
}

struct Story {
    world: World,
    /// The command that was accepted last.
    last: Option<log::CommandRecord>,
}

/// What is encoded of an accepted command's event.
fn event<M: Message + Default>(decision: &log::Decision, kind: &str) -> M {
    let Some(Outcome::Accepted(accepted)) = &decision.outcome else { panic!("not accepted: {decision:?}") };
    let event = accepted.events.iter().find(|event| event.kind == kind).expect("an event of the kind");
    M::decode(event.payload.clone()).expect("the event's message")
}

fn code(decision: &log::Decision) -> &str {
    match &decision.outcome {
        Some(Outcome::Accepted(_)) => "ACCEPTED",
        Some(Outcome::Rejected(rejected)) => &rejected.code,
        Some(Outcome::Parked(parked)) => &parked.code,
        Some(Outcome::Duplicate(_)) => "DUPLICATE",
        None => "NOTHING",
    }
}

/// What decides of a policy set's text: a golden log is kept small.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A person, as the door writes one: a pseudonym, and what is readable sealed.
fn person(name: &str) -> Entity {
    let digits: String = name.bytes().map(|byte| char::from(b'a' + byte % 26)).collect();
    let id = format!("psn_{digits:a<32}");
    let sealed = Some(Sealed { key_id: format!("person/{id}"), ciphertext: Bytes::from(format!("sealed {name}")) });
    Entity { id, role: EntityRole::Custodian.into(), sealed, ..Default::default() }
}

fn on(name: &str) -> Scope {
    Scope { entities: vec![Entity { sealed: None, ..person(name) }], ..Default::default() }
}

impl Story {
    fn ask(&mut self, who: Who<'_>, tenant: &str, kind: &str, request: &impl Message) -> log::Decision {
        let domain = match who.role {
            "admin" => "platform",
            "product" | "privacy" => "product_analytics",
            _ => "legal_hold",
        };
        let record = self.world.asked(who, tenant, domain, kind, request);
        let decision = self.world.submit(&record);
        if code(&decision) == "ACCEPTED" {
            self.last = Some(record);
        }
        decision
    }

    #[track_caller]
    fn yes(&mut self, who: Who<'_>, tenant: &str, kind: &str, request: &impl Message) -> log::Decision {
        let decision = self.ask(who, tenant, kind, request);
        assert_eq!(code(&decision), "ACCEPTED", "{kind}: {decision:?}");
        self.world.settle();
        decision
    }

    #[track_caller]
    fn no(&mut self, expected: &str, who: Who<'_>, tenant: &str, kind: &str, request: &impl Message) {
        let decision = self.ask(who, tenant, kind, request);
        assert_eq!(code(&decision), expected, "{kind}: {decision:?}");
    }

    fn item(&self, id: &str, class: &str, custodian: &str) -> Item {
        Item {
            item_id: id.to_owned(),
            kind: ItemKind::Message.into(),
            data_category: "email".to_owned(),
            case_ids: vec!["case-7".to_owned()],
            entities: vec![person(custodian)],
            created_at: Some(self.world.now.to_proto()),
            retention_class_id: class.to_owned(),
            content_hash: "sha256:00".to_owned(),
            reference: format!("mbox:{id}"),
            sealed: Some(Sealed { key_id: format!("item/{id}"), ciphertext: Bytes::from(format!("sealed {id}")) }),
            ..Default::default()
        }
    }

    /// The change of a hold that the decision asks for.
    fn change(decision: &log::Decision) -> String {
        event::<HoldChangeRequested>(decision, "HoldChangeRequested").change.expect("a change").change_id
    }

    fn release_by_two(&mut self, hold: &str, delay: Duration) {
        let request = ReleaseHoldRequest { delay: Some(duration_to_proto(delay)), ..release(hold) };
        let asked = self.yes(LEA, "acme", "ReleaseHold", &request);
        self.yes(LEO, "acme", "ApproveHoldChange", &approve(hold, &Self::change(&asked)));
    }

    fn the_log_is_set_up(&mut self) {
        let registry = self.world.decider().registry().clone();
        let policies = without_comments(&daybook_domains::shipped_policies(&registry, true));
        let schema = without_comments(&registry.shipped_schema());
        let description = "ships with Daybook".to_owned();
        // No feature level: as on a log from before there were levels. It is raised below.
        let shipped = platform::PublishShippedPolicySet {
            policies: policies.clone(),
            schema: schema.clone(),
            description,
            feature_level: 0,
            ends_development: false,
        };
        let payload = shipped.encode_to_vec();
        let kind = "PublishShippedPolicySet";
        let record = self.world.record("platform", "platform", kind, payload, system("bootstrap"));
        assert_eq!(code(&self.world.submit(&record)), "ACCEPTED");
        self.world.settle();
        for tenant in ["acme", "globex", "initech"] {
            let request = platform::CreateTenantRequest {
                new_tenant_id: tenant.to_owned(),
                display_name: format!("Tenant {tenant}"),
                ..Default::default()
            };
            self.yes(ROOT, "platform", "CreateTenant", &request);
        }
        // Another policy set, and from here on it is in force.
        let policies =
            format!("{policies}\n@id(\"golden\") permit (principal in Role::\"golden\", action, resource);\n");
        let request = platform::PublishPolicySetRequest {
            policies,
            schema,
            description: "one policy more".to_owned(),
            ..Default::default()
        };
        let published = self.yes(ROOT, "platform", "PublishPolicySet", &request);
        let published: platform::PolicySetPublished = event(&published, "PolicySetPublished");
        let request = platform::ActivatePolicySetRequest {
            policy_set_hash: published.policy_set.expect("a policy set").policy_set_hash,
            reason: "one policy more".to_owned(),
            ..Default::default()
        };
        self.yes(ROOT, "platform", "ActivatePolicySet", &request);
        let node = platform::NodeRelease {
            node_id: "node-a".to_owned(),
            version: "0.1.0".to_owned(),
            newest_feature_level: daybook_kernel::feature_level::FeatureLevel::NEWEST.0,
        };
        let raise = platform::RaiseFeatureLevelRequest { nodes: vec![node], ..Default::default() };
        self.yes(ROOT, "platform", "RaiseFeatureLevel", &raise);
        self.no("FEATURE_LEVEL_UNCHANGED", ROOT, "platform", "RaiseFeatureLevel", &raise);
    }

    fn items_come_in(&mut self) {
        self.yes(RITA, "acme", "SetRetentionClass", &class("month", 30));
        self.yes(RITA, "acme", "SetRetentionClass", &class("century", 36_500));
        let mut review = class("review", 30);
        if let Some(class) = &mut review.retention_class {
            class.action = RetentionAction::Review.into();
        }
        self.yes(RITA, "acme", "SetRetentionClass", &review);
        self.yes(RITA, "acme", "RegisterItem", &register(self.item("a", "century", "ada")));
        let items =
            [("b", "century", "bob"), ("due", "month", "ada"), ("late", "month", "bob"), ("back", "month", "eve")];
        let mut items: Vec<_> = items.into_iter().map(|(id, class, who)| self.item(id, class, who)).collect();
        items.extend(["r1", "r2"].map(|id| self.item(id, "review", "bob")));
        self.yes(RITA, "acme", "RegisterItems", &RegisterItemsRequest { items, ..Default::default() });
        self.yes(LEA, "acme", "RevealItem", &reveal("a"));
        let request = RevealEntitiesRequest {
            pseudonyms: vec![person("ada").id],
            purpose: "discovery".to_owned(),
            ..Default::default()
        };
        self.yes(LEA, "acme", "RevealEntities", &request);
        // Several commands that are decided in one batch.
        let batch = ["x1", "x2", "x3"].map(|id| register(self.item(id, "century", "xavier")));
        let records = batch.map(|request| self.world.asked(RITA, "acme", "legal_hold", "RegisterItem", &request));
        let partition = place_of(&records[0]);
        let decided = self.world.submit_all(partition, records.iter().map(|it| it.encode_to_vec().into()).collect());
        assert!(decided.iter().all(|decision| code(decision) == "ACCEPTED"), "{decided:?}");
    }

    fn holds_are_placed_and_changed(&mut self) {
        self.yes(LEA, "acme", "PlaceHold", &place("h", on("ada")));
        self.yes(LEA, "acme", "PlaceHold", &place("eve", on("eve")));
        let update = UpdateHoldRequest {
            hold_id: "h".to_owned(),
            name: Some("another name".to_owned()),
            owner: Some("leo".to_owned()),
            reason: Some("another reason".to_owned()),
            ..Default::default()
        };
        self.yes(LEA, "acme", "UpdateHold", &update);
        let scope = |scope: Scope| ChangeHoldScopeRequest {
            hold_id: "h".to_owned(),
            change: Some(ScopeChange { scope: Some(scope), ..Default::default() }),
            reason: "as it turned out".to_owned(),
            ..Default::default()
        };
        let mut wider = on("ada");
        wider.entities.extend(on("zoe").entities);
        self.yes(LEA, "acme", "ChangeHoldScope", &scope(wider));
        // Covering less takes two; the first time it is declined.
        let asked = self.yes(LEA, "acme", "ChangeHoldScope", &scope(on("ada")));
        let decline = DeclineHoldChangeRequest {
            hold_id: "h".to_owned(),
            change_id: Self::change(&asked),
            comment: "not yet".to_owned(),
            ..Default::default()
        };
        self.yes(LEO, "acme", "DeclineHoldChange", &decline);
        let asked = self.yes(LEA, "acme", "ChangeHoldScope", &scope(on("ada")));
        let change = Self::change(&asked);
        self.no("SECOND_PERSON_REQUIRED", LEA, "acme", "ApproveHoldChange", &approve("h", &change));
        self.yes(LEO, "acme", "ApproveHoldChange", &approve("h", &change));
    }

    fn deletions_are_asked_for(&mut self) {
        self.world.wait(HOUR);
        self.yes(RITA, "acme", "DisposeItems", &dispose(&["a", "b"]));
        self.yes(RITA, "acme", "DisposeItems", &dispose(&["b"]));
        self.no("ITEM_NOT_FOUND", RITA, "acme", "DisposeItems", &dispose(&["nowhere"]));
    }

    fn holds_start_and_end_by_themselves(&mut self) {
        let at = |world: &World, days: u32| Some(world.now.saturating_add(days * DAY).to_proto());
        let later = PlaceHoldRequest {
            start_time: at(&self.world, 1),
            end_time: at(&self.world, 2),
            ..place("later", on("bob"))
        };
        self.yes(LEA, "acme", "PlaceHold", &later);
        // A release with a delay: stopped once, then let through.
        self.yes(LEA, "acme", "PlaceHold", &place("slow", on("xavier")));
        self.yes(RITA, "acme", "DisposeItems", &dispose(&["x1", "x2"]));
        self.release_by_two("slow", DAY);
        let cancel =
            CancelReleaseRequest { hold_id: "slow".to_owned(), reason: "stop".to_owned(), ..Default::default() };
        self.yes(LEO, "acme", "CancelRelease", &cancel);
        self.release_by_two("slow", DAY);
        self.world.wait(3 * DAY);
        self.no("HOLD_ALREADY_RELEASED", LEA, "acme", "ReleaseHold", &release("slow"));
    }

    fn a_hold_over_two_tenants(&mut self) {
        self.yes(RITA, "globex", "SetRetentionClass", &class("century", 36_500));
        self.yes(RITA, "globex", "RegisterItem", &register(self.item("g", "century", "ada")));
        let elsewhere = |tenant: &str| TenantScope { tenant_id: tenant.to_owned(), scope: Some(on("ada")) };
        let request = PlaceHoldRequest { other_tenants: vec![elsewhere("globex")], ..place("both", on("ada")) };
        // The other tenant does not answer in time, and is asked again.
        self.ask(LEA, "acme", "PlaceHold", &request);
        self.world.wait(HOUR);
        let change = ScopeChange {
            other_tenants: vec![elsewhere("globex"), elsewhere("initech")],
            replace_other_tenants: true,
            ..Default::default()
        };
        let request = ChangeHoldScopeRequest {
            hold_id: "both".to_owned(),
            change: Some(change),
            reason: "there as well".to_owned(),
            ..Default::default()
        };
        self.yes(LEA, "acme", "ChangeHoldScope", &request);
        self.yes(RITA, "globex", "DisposeItems", &dispose(&["g"]));
        self.no("HOLD_GOVERNED_ELSEWHERE", LEA, "globex", "ReleaseHold", &release("@acme/1/both"));
        let request = ConfirmHoldRequest { hold_id: "both".to_owned(), ..Default::default() };
        self.yes(LEA, "acme", "ConfirmHold", &request);
        self.release_by_two("both", Duration::ZERO);
    }

    fn retention_falls_due(&mut self) {
        self.world.wait(31 * DAY);
        let review = |id: &str, outcome: ReviewOutcome| CompleteReviewRequest {
            item_id: id.to_owned(),
            outcome: outcome.into(),
            reason: "looked at".to_owned(),
            ..Default::default()
        };
        self.yes(RITA, "acme", "CompleteReview", &review("r1", ReviewOutcome::Dispose));
        self.yes(RITA, "acme", "CompleteReview", &review("r2", ReviewOutcome::Keep));
        // What a hold put off is not due any more when it is let go: it goes back.
        self.yes(RITA, "acme", "SetRetentionClass", &class("month", 400));
        self.release_by_two("eve", Duration::ZERO);
        self.release_by_two("h", Duration::ZERO);
        self.world.wait(HOUR);
    }

    /// It takes two: the first time it is declined.
    fn a_retention_class_is_shortened(&mut self) {
        let period = |months| {
            let mut request = class("short", 1);
            if let Some(class) = &mut request.retention_class {
                class.period = None;
                class.calendar_period = Some(CalendarPeriod { months, ..Default::default() });
            }
            request
        };
        self.yes(RITA, "acme", "SetRetentionClass", &period(12));
        self.yes(RITA, "acme", "RegisterItem", &register(self.item("s", "short", "sam")));
        self.world.wait(40 * DAY);
        self.no("RETENTION_DUE_NOT_ACCEPTED", RITA, "acme", "SetRetentionClass", &period(1));
        let shorter = SetRetentionClassRequest { accept_due_items: 1, ..period(1) };
        let change = |decision: &log::Decision| {
            let asked: RetentionChangeRequested = event(decision, "RetentionChangeRequested");
            asked.change.expect("a change").change_id
        };
        let asked = self.yes(RITA, "acme", "SetRetentionClass", &shorter);
        let decline = DeclineRetentionChangeRequest {
            retention_class_id: "short".to_owned(),
            change_id: change(&asked),
            comment: "not yet".to_owned(),
            ..Default::default()
        };
        self.yes(RUTH, "acme", "DeclineRetentionChange", &decline);
        let asked = self.yes(RITA, "acme", "SetRetentionClass", &shorter);
        let approve = ApproveRetentionChangeRequest {
            retention_class_id: "short".to_owned(),
            change_id: change(&asked),
            comment: "checked".to_owned(),
            accept_due_items: 1,
            ..Default::default()
        };
        self.no("SECOND_PERSON_REQUIRED", RITA, "acme", "ApproveRetentionChange", &approve);
        self.yes(RUTH, "acme", "ApproveRetentionChange", &approve);
        self.world.wait(HOUR);
        // The key of an item whose registration was denied after its content was sealed.
        let discard = DiscardKeys { item_ids: vec!["denied".to_owned()] };
        let door = daybook_kernel::domain::stream_actor("acme", "acme");
        let record = self.world.record("acme", "legal_hold", "DiscardKeys", discard.encode_to_vec(), door);
        assert_eq!(code(&self.world.submit(&record)), "ACCEPTED");
        self.world.settle();
        self.no("ITEM_DISPOSED", RITA, "acme", "RegisterItem", &register(self.item("denied", "century", "ada")));
    }

    /// A node is replaced, comes back late, races, repeats itself.
    fn a_product_is_used(&mut self) {
        let profile = Some(analytics::MinimisationProfile {
            time_granularity: Some(duration_to_proto(Duration::from_secs(60))),
            purposes_without_consent: vec!["product".to_owned()],
            ..Default::default()
        });
        let request = analytics::SetMinimisationProfileRequest { profile: profile.clone(), ..Default::default() };
        self.yes(PETRA, "acme", "SetMinimisationProfile", &request);
        let property = analytics::PropertySchema {
            name: "format".to_owned(),
            r#type: analytics::PropertyType::Enum.into(),
            values: vec!["pdf".to_owned(), "csv".to_owned()],
            ..Default::default()
        };
        let case = analytics::PropertySchema {
            name: "case_id".to_owned(),
            r#type: analytics::PropertyType::OpaqueId.into(),
            ..Default::default()
        };
        let schema = analytics::EventSchema {
            name: "case.exported".to_owned(),
            version: 1,
            purpose: "product".to_owned(),
            properties: vec![property, case],
            ..Default::default()
        };
        let schemas = vec![schema];
        let request = analytics::SetEventSchemasRequest { schemas: schemas.clone(), ..Default::default() };
        self.yes(PIA, "acme", "SetEventSchemas", &request);
        self.no(
            "EVENT_SCHEMA_BREAKS",
            PIA,
            "acme",
            "SetEventSchemas",
            &analytics::SetEventSchemasRequest {
                schemas: vec![analytics::EventSchema { version: 2, properties: Vec::new(), ..schemas[0].clone() }],
                ..Default::default()
            },
        );

        let registry = analytics::EventRegistry { profile, schemas, hash: String::new() };
        let minute_ms = self.world.now.as_micros() / 60_000_000 * 60_000;
        let ids = analytics::PropertyColumn {
            name: "case_id".to_owned(),
            events: vec![0, 2],
            values: vec![0, 0],
            ids: vec!["case-7".to_owned()],
        };
        let formats = analytics::PropertyColumn {
            name: "format".to_owned(),
            events: vec![0, 1],
            values: vec![1, 0],
            ids: Vec::new(),
        };
        let refused = analytics::RefusedEvent {
            index: 3,
            reason: analytics::Refusal::UnknownEvent.into(),
            name: "case.burnt".to_owned(),
            ..Default::default()
        };
        let batch = analytics::EventBatch {
            registry_hash: Hash::of(&registry.encode_to_vec()).to_bytes(),
            names: vec!["case.exported".to_owned()],
            name: vec![0, 0, 0],
            index: vec![0, 1, 2],
            // The last is of a year ago: too late.
            time_delta_ms: vec![minute_ms, -60_000, -365 * 86_400_000],
            actors: Bytes::from([[7u8; 16], [8; 16]].concat()),
            actor: vec![1, 2, 0],
            event_ids: Bytes::from([[1u8; 16], [2; 16], [0; 16]].concat()),
            properties: vec![ids, formats],
            refused: vec![refused],
            dropped: Vec::new(),
            epochs: vec![minute_ms.div_euclid(90 * 86_400_000) * 90],
        };
        let request = analytics::RecordEventsRequest { batch: Some(batch.clone()), ..Default::default() };
        self.yes(PIA, "acme", "RecordEvents", &request);
        // The same events in another batch: each is known by its id.
        self.yes(PIA, "acme", "RecordEvents", &request);
        let other = analytics::EventBatch { registry_hash: Bytes::from([9u8; 32].to_vec()), ..batch };
        let request = analytics::RecordEventsRequest { batch: Some(other), ..Default::default() };
        self.no("EVENT_REGISTRY_CHANGED", PIA, "acme", "RecordEvents", &request);

        let definition = analytics::MetricDefinition {
            name: "exports".to_owned(),
            metric: Some(analytics::metric_definition::Metric::Usage(analytics::UsageMetric::default())),
            ..Default::default()
        };
        let request = analytics::DefineMetricRequest { definition: Some(definition), ..Default::default() };
        self.yes(PIA, "acme", "DefineMetric", &request);
        self.events_leave();
    }

    /// By exports, by an erasure, and by the end of their epoch.
    fn events_leave(&mut self) {
        let content = Some(analytics::EventExportContent { events: true, ..Default::default() });
        let now = self.world.now;
        let request = analytics::ExportEventsRequest {
            content: content.clone(),
            start_time: Some(Timestamp::from_micros(now.as_micros() - 1_000_000).to_proto()),
            end_time: Some(now.to_proto()),
            ..Default::default()
        };
        self.yes(PETRA, "acme", "ExportEvents", &request);
        let every = Some(duration_to_proto(HOUR));
        for schedule in [analytics::EventExportSchedule { every, days: 1, content }, Default::default()] {
            let request = analytics::SetEventExportScheduleRequest { schedule: Some(schedule), ..Default::default() };
            self.yes(PETRA, "acme", "SetEventExportSchedule", &request);
            self.world.wait(HOUR);
        }
        let pseudonyms = vec![Bytes::from(vec![8; 16]), Bytes::from(vec![9; 16])];
        self.yes(PETRA, "acme", "EraseActor", &analytics::EraseActorRequest { pseudonyms, ..Default::default() });
        // With shorter epochs the one in which the events are was over long ago.
        let profile = Some(analytics::MinimisationProfile {
            pseudonym_epoch_days: 1,
            late_max: Some(duration_to_proto(HOUR)),
            purposes_without_consent: vec!["product".to_owned()],
            ..Default::default()
        });
        let request = analytics::SetMinimisationProfileRequest { profile, ..Default::default() };
        self.yes(PETRA, "acme", "SetMinimisationProfile", &request);
    }

    fn owners_change(&mut self) {
        let id = self.world.home_of("acme");
        let before = self.world.head(id).clone();
        self.world.take_over(id, "node-b");
        let decision = Bytes::from(log::Decision { kind: "TooLate".to_owned(), ..Default::default() }.encode_to_vec());
        let now = self.world.log_time(id);
        let late = DecisionRecord::batch(before.hash, before.epoch, before.next_command, now, vec![decision]);
        self.world.append_dropped(id, &late);
        let epoch = daybook_kernel::id::Epoch(before.epoch.0 + 1);
        let race = DecisionRecord::takeover(before.hash, epoch, "node-c", "https://node-c.example.org:7420", now);
        self.world.append_dropped(id, &race);
        self.yes(RITA, "acme", "RegisterItem", &register(self.item("after", "century", "ada")));
        self.world.append_dropped(id, &race);
    }

    fn what_is_refused(&mut self) {
        self.no("POLICY_DENIED", RITA, "acme", "PlaceHold", &place("no", on("ada")));
        self.no("INVALID_ARGUMENT", LEA, "acme", "PlaceHold", &place("", Scope::default()));
        self.no("HOLD_NOT_FOUND", LEA, "acme", "ReleaseHold", &release("nowhere"));
        self.no("UNKNOWN_KIND", RITA, "acme", "NoSuchKind", &release("h"));
        self.no("UNKNOWN_KIND", RITA, "acme", "RunRetention", &RunRetention { retention_class_id: "month".to_owned() });
        let tenants = &["umbrella"];
        self.no("TENANT_UNKNOWN", Who { tenants, ..RITA }, "umbrella", "DisposeItems", &dispose(&["a"]));
        // The same command again, and another one under its id.
        let again = self.last.clone().expect("a command that was accepted");
        assert_eq!(code(&self.world.submit(&again)), "DUPLICATE");
        let other = log::CommandRecord {
            payload: register(self.item("other", "century", "ada")).encode_to_vec().into(),
            ..again
        };
        assert_eq!(code(&self.world.submit(&other)), "COMMAND_ID_REUSED");
        let id = self.world.home_of("acme");
        let malformed = vec![Bytes::from_static(b"\xff\xff no command"), Bytes::new()];
        for decision in self.world.submit_all(id, malformed) {
            assert_eq!(code(&decision), "MALFORMED_RECORD");
        }
    }

    fn a_stream_is_parked(&mut self) {
        self.yes(RITA, "initech", "SetRetentionClass", &class("month", 30));
        let record = self.world.asked(LEA, "initech", "legal_hold", "PlaceHold", &place("h", on("ada")));
        let garbage = log::CommandRecord { payload: Bytes::from_static(b"\xff\xff\xff"), ..record };
        assert_eq!(code(&self.world.submit(&garbage)), "UNDECODABLE_COMMAND");
        self.no("STREAM_PARKED", RITA, "initech", "RegisterItem", &register(self.item("i", "month", "ada")));
        let unpark = platform::UnparkStreamRequest {
            target_tenant_id: "initech".to_owned(),
            target_stream_key: "initech".to_owned(),
            reason: "looked at".to_owned(),
            ..Default::default()
        };
        self.yes(ROOT, "platform", "UnparkStream", &unpark);
        self.yes(RITA, "initech", "RegisterItem", &register(self.item("i", "month", "ada")));
    }

    fn a_tenant_is_suspended(&mut self) {
        let (target_tenant_id, reason) = ("globex".to_owned(), "unpaid".to_owned());
        let suspend = platform::SuspendTenantRequest { target_tenant_id, reason, ..Default::default() };
        self.yes(ROOT, "platform", "SuspendTenant", &suspend);
        self.no("TENANT_SUSPENDED", LEA, "globex", "PlaceHold", &place("h", on("ada")));
        let (target_tenant_id, reason) = ("globex".to_owned(), "paid".to_owned());
        let resume = platform::ResumeTenantRequest { target_tenant_id, reason, ..Default::default() };
        self.yes(ROOT, "platform", "ResumeTenant", &resume);
        self.yes(LEA, "globex", "PlaceHold", &place("h", on("ada")));
    }

    fn the_clock_is_moved(&mut self) {
        let by = Some(duration_to_proto(40 * DAY));
        self.yes(ROOT, "platform", "AdvanceClock", &platform::AdvanceClockRequest { by, ..Default::default() });
        self.world.settle();
    }

    /// The log of a node that was killed: its last command has no decision.
    fn the_end(&mut self) {
        let request = register(self.item("undecided", "century", "ada"));
        let record = self.world.asked(RITA, "acme", "legal_hold", "RegisterItem", &request);
        self.world.leave_undecided(&record);
        let heads = (0..super::world::PARTITIONS).map(|id| self.world.head(daybook_kernel::id::PartitionId(id)));
        assert!(heads.into_iter().all(|head| head.next_command > Offset(10) && head.now > Timestamp::default()));
    }
}
