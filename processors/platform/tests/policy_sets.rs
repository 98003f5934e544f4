//! Publishing and activating policy sets, one case each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::partitions::Partitions;
use common::*;
use daybook_kernel::domain::Query;
use daybook_kernel::rejection::Refusal;
use daybook_proto::platform::v1;
use platform_projection::{Event, GetPolicySet, ListPolicySets};

const NO_BELLS: &str = r#"@id("no-bells") forbid (principal, action == Bell::Action::"Use", resource);"#;

#[test]
fn a_published_set_is_kept_under_its_hash_and_decides_nothing() {
    let mut site = Site::new();
    let before = site.activation();
    let request = v1::PublishPolicySetRequest { description: "silence".into(), ..publish(&shipped_and(NO_BELLS)) };
    let published = site.ask("PublishPolicySet", &request).events();
    let [Event::PolicySetPublished(event)] = &published[..] else { panic!("{published:?}") };
    let set = event.policy_set.clone().unwrap();
    assert_eq!((set.description.as_str(), set.published_by.as_str(), set.active), ("silence", "root", false));
    assert_eq!(set.published_at, Some(site.solo.log_time().to_proto()));
    let hash = daybook_kernel::authorisation::policy_set_hash(&shipped_and(NO_BELLS), &registry().shipped_schema());
    assert_eq!(set.policy_set_hash, hash.to_hex(), "the schema is that of the set in force");
    assert_eq!(site.first_effect(), None, "no partition is told");
    assert_eq!(site.activation(), before);
    site.bell("acme", "Ring", "b").accepted();
    site.solo.check_replay();
}

#[test]
fn a_set_with_mistakes_is_refused_and_each_mistake_has_its_place() {
    let mut site = Site::new();
    let sets = site.tables().policy_set_order().scan(daybook_kernel::key::All).count();
    let mut places = |policies: &str, schema: &str| {
        let request = v1::PublishPolicySetRequest { schema: schema.into(), ..publish(policies) };
        let refused = site.ask("PublishPolicySet", &request);
        assert_eq!(refused.code(), "POLICY_SET_INVALID", "{policies}");
        assert!(refused.rejected().message.contains(refused.fields()[0]), "{}", refused.rejected().message);
        refused.fields().join(" ")
    };
    assert_eq!(places("permit (principal, action, resource);\npermit (principal;", ""), "policies:2:18");
    let unknown = "permit (\n  principal,\n  action == Bell::Action::\"Muffle\",\n  resource\n);";
    assert!(places(unknown, "").starts_with("policies:3:"), "an action that the schema does not have");
    let unknown = "permit (principal, action, resource)\nwhen { resource.colour == \"red\" };";
    assert!(places(unknown, "").starts_with("policies:2:"), "an attribute that the schema does not have");
    let twice = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    assert_eq!(places(twice, ""), "policies", "a mistake of the whole");
    assert!(places("permit (principal, action, resource);", "entity User;\nentity ;").starts_with("schema:2:"));
    assert_eq!(site.tables().policy_set_order().scan(daybook_kernel::key::All).count(), sets, "nothing was kept");
    site.solo.check_replay();
}

#[test]
fn texts_that_cannot_be_a_set_are_refused_with_the_field() {
    let mut site = Site::new();
    let long = format!("{}//{}", development(), "x".repeat(100_000));
    let description = "x".repeat(2_001);
    for (request, fields) in [
        (publish(""), &["policies"][..]),
        (publish(" \n\t"), &["policies"]),
        (publish(&long), &["policies"]),
        (v1::PublishPolicySetRequest { schema: long.clone(), description, ..publish("x") }, &["schema", "description"]),
    ] {
        let refused = site.ask("PublishPolicySet", &request);
        assert_eq!((refused.code(), &refused.fields()[..]), ("INVALID_ARGUMENT", fields));
    }
}

#[test]
fn a_set_is_published_once() {
    let mut site = Site::new();
    let hash = site.publish(&development());
    for again in [development(), format!("{}  \r\n\n", development())] {
        let refused = site.ask("PublishPolicySet", &publish(&again));
        assert_eq!(refused.code(), "POLICY_SET_ALREADY_PUBLISHED", "line ends do not make another set");
        assert_eq!(refused.rejected().metadata["policy_set_hash"], hash);
    }
    let shipped = registry().shipped_policies();
    assert_eq!(site.ask("PublishPolicySet", &publish(&shipped)).code(), "POLICY_SET_ALREADY_PUBLISHED");
    site.solo.check_replay();
}

#[test]
fn the_activation_is_decided_under_the_old_set_and_what_follows_under_the_new() {
    let mut site = Site::new();
    let (old, _) = site.activation();
    let new = site.publish(&shipped_and(NO_BELLS));
    let activated = site.activate(&new);
    assert_eq!(activated.decided_under(), old);
    assert_eq!(activated.0.determining_policies, ["platform-admin"]);
    assert_eq!(site.activation(), (new.clone(), 0));
    let between = site.bell("acme", "Ring", "b").accepted();
    assert_eq!((between.decided_under(), &between.0.determining_policies[..]), (old.clone(), &["ringers".into()][..]));

    let (key, row) = site.first_effect().unwrap();
    assert_eq!(site.forward(key, &row).accepted().decided_under(), old, "the partition's own switch as well");
    let denied = site.bell("acme", "Ring", "b");
    assert_eq!((denied.code(), denied.decided_under()), ("POLICY_DENIED", new.clone()));
    assert_eq!(denied.0.determining_policies, ["no-bells"]);
    site.confirm(key, &row, true, 0).accepted();
    assert_eq!(site.activation(), (new, 1));

    site.activate(&old).accepted();
    site.solo.settle();
    assert_eq!(site.bell("acme", "Ring", "b").accepted().decided_under(), old, "and back");
    site.solo.check_replay();
}

#[test]
fn each_partition_switches_when_it_is_told() {
    let mut all = Partitions::new(3);
    all.ask("CreateTenant", &create("acme")).accepted();
    all.deliver_all();
    let old = all.ring("acme", 0).accepted().decided_under();
    let published = all.ask("PublishPolicySet", &publish(&shipped_and(NO_BELLS)));
    let Some(Event::PolicySetPublished(event)) = published.events().pop() else { panic!("{published:?}") };
    let new = event.policy_set.unwrap().policy_set_hash;
    all.ask("ActivatePolicySet", &activate(&new)).accepted();
    for (confirmed, partition) in (1..).zip([1, 2, 0]) {
        assert_eq!(all.ring("acme", partition).accepted().decided_under(), old);
        all.deliver_to(partition);
        let denied = all.ring("acme", partition);
        assert_eq!((denied.code(), denied.decided_under()), ("POLICY_DENIED", new.clone()));
        let row = all.home_tables().activation().get(()).unwrap().unwrap();
        assert_eq!((row.confirmed, row.partitions), (confirmed, 3));
    }
}

#[test]
fn the_later_activation_stands_in_whatever_order_a_partition_is_told() {
    let mut all = Partitions::new(2);
    all.ask("CreateTenant", &create("acme")).accepted();
    all.deliver_all();
    let shipped = all.ring("acme", 1).accepted().decided_under();
    let published = all.ask("PublishPolicySet", &publish(&shipped_and(NO_BELLS)));
    let Some(Event::PolicySetPublished(event)) = published.events().pop() else { panic!("{published:?}") };
    all.ask("ActivatePolicySet", &activate(&event.policy_set.unwrap().policy_set_hash)).accepted();
    all.ask("ActivatePolicySet", &activate(&shipped)).accepted();
    let open = all.open_for(1);
    assert_eq!(open.len(), 2);
    for (key, row) in open.iter().rev() {
        all.deliver(*key, row);
        assert_eq!(all.ring("acme", 1).accepted().decided_under(), shipped);
    }
    let row = all.home_tables().activation().get(()).unwrap().unwrap();
    assert_eq!((row.revision, row.confirmed), (3, 1), "the answer to the earlier one does not count");
}

#[test]
fn activating_what_is_in_force_already_tells_every_partition_again() {
    let mut site = Site::new();
    let (hash, _) = site.activation();
    let activated = site.activate(&hash);
    assert!(matches!(&activated.events()[..], [Event::PolicySetActivated(event)] if event.revision == 2));
    assert_eq!(site.activation(), (hash.clone(), 0));
    site.solo.settle();
    assert_eq!(site.activation(), (hash.clone(), 1));
    assert_eq!(site.bell("acme", "Ring", "b").accepted().decided_under(), hash);
    site.solo.check_replay();
}

#[test]
fn a_set_is_named_by_the_beginning_of_its_hash() {
    let mut site = Site::new();
    let hash = site.publish(&development());
    for (name, code) in [
        ("", "INVALID_ARGUMENT"),
        ("no hash!", "INVALID_ARGUMENT"),
        (&hash[..7], "INVALID_ARGUMENT"),
        ("nothexadecimal", "INVALID_ARGUMENT"),
        (&"0".repeat(64)[..], "POLICY_SET_NOT_FOUND"),
        (&format!("{hash}0"), "POLICY_SET_NOT_FOUND"),
    ] {
        let refused = site.activate(name);
        assert_eq!(refused.code(), code, "{name:?}");
        if code == "INVALID_ARGUMENT" {
            assert_eq!(refused.fields(), ["policy_set_hash"]);
        }
    }
    let request = v1::ActivatePolicySetRequest { reason: " ".into(), ..activate(&hash) };
    assert_eq!(site.ask("ActivatePolicySet", &request).fields(), ["reason"]);
    let (before, _) = site.activation();
    assert_ne!(before, hash);
    for name in [&hash[..8], &hash.to_ascii_uppercase()[..20], &hash] {
        site.activate(name).accepted();
        assert_eq!(site.activation().0, hash);
    }
}

/// Two sets whose hashes share eight characters take four billion tries to find, so this one looks at the rule through
/// rows that say so.
#[test]
fn a_beginning_that_several_sets_share_names_none() {
    use daybook_kernel::id::TenantId;
    use daybook_kernel::state::WriteSet;
    use daybook_kernel::table::ViewMut;
    let mut site = Site::new();
    let hash = site.publish(&development());
    let mut twin = hash.clone().into_bytes();
    *twin.last_mut().unwrap() = if hash.ends_with('0') { b'1' } else { b'0' };
    let twin = v1::PolicySet { policy_set_hash: String::from_utf8(twin).unwrap(), ..Default::default() };
    let mut writes = WriteSet::default();
    let view = ViewMut::new(&site.solo.state, &mut writes, TenantId::platform());
    platform_projection::TablesMut::from(view).policy_set_order().put((u64::MAX,), &twin);
    site.solo.state.apply(&writes);
    for (length, code) in [(8, "POLICY_SET_AMBIGUOUS"), (63, "POLICY_SET_AMBIGUOUS"), (64, "ACCEPTED")] {
        assert_eq!(site.activate(&hash[..length]).code(), code, "{length} characters");
    }
}

#[test]
fn a_set_that_locks_out_every_admin_is_not_put_in_force() {
    let mut site = Site::new();
    let before = site.activation();
    let locked = |policies: &str, site: &mut Site| {
        let hash = site.publish(policies);
        site.activate(&hash).code().to_owned()
    };
    let bells_only = r#"permit (principal, action == Bell::Action::"Use", resource);"#;
    assert_eq!(locked(bells_only, &mut site), "POLICY_LOCKS_OUT_ADMINS");
    let publish_only =
        r#"permit (principal in Role::"admin", action == Platform::Action::"PublishPolicySet", resource);"#;
    assert_eq!(locked(publish_only, &mut site), "POLICY_LOCKS_OUT_ADMINS", "a set that nobody could activate");
    let activate_only = r#"permit (principal, action == Platform::Action::"ActivatePolicySet", resource);"#;
    assert_eq!(locked(activate_only, &mut site), "POLICY_LOCKS_OUT_ADMINS", "a way back only to what is published");
    let forbidden = shipped_and(r#"forbid (principal, action == Platform::Action::"PublishPolicySet", resource);"#);
    assert_eq!(locked(&forbidden, &mut site), "POLICY_LOCKS_OUT_ADMINS", "what forbids wins");
    let others = r#"permit (principal == User::"carl", action, resource);"#;
    assert_eq!(locked(others, &mut site), "POLICY_LOCKS_OUT_ADMINS", "carl may, but nobody knows whether he is there");
    site.solo.settle();
    assert_eq!(site.activation(), before, "nothing was changed");
    site.bell("acme", "Ring", "b").accepted();

    let own = r#"permit (principal == User::"root", action, resource);"#;
    assert_eq!(locked(own, &mut site), "ACCEPTED", "whoever asks can put it right himself");
    site.solo.settle();
    let (shipped, _) = before;
    site.activate(&shipped).accepted();
    site.solo.check_replay();
}

/// Each of these passed when the question was asked about a set called "new" and an administrator called "administrator".
#[test]
fn a_set_that_names_the_ids_of_the_question_does_not_pass_for_a_way_back() {
    let mut site = Site::new();
    let before = site.activation();
    let in_force = before.0.clone();
    let forbid = |action: &str, unless: &str| {
        shipped_and(&format!(
            "forbid (principal, action == Platform::Action::\"{action}\", resource) unless {{ {unless} }};"
        ))
    };
    let set = |id: &str| format!("resource == Platform::PolicySet::\"{id}\"");
    let cases = [
        ("only a set called new", forbid("ActivatePolicySet", &set("new"))),
        ("only back to the set in force", forbid("ActivatePolicySet", &set(&in_force))),
        ("only an administrator of one name", forbid("ActivatePolicySet", "principal == User::\"administrator\"")),
        ("only somebody else", forbid("ActivatePolicySet", "principal == User::\"alice\"")),
        ("nothing is published", forbid("PublishPolicySet", "resource != Platform::PolicySet::\"new\"")),
        ("no way back", forbid("ActivatePolicySet", &format!("!({})", set(&in_force)))),
        ("a permission to one name", r#"permit (principal == User::"administrator", action, resource);"#.to_owned()),
        (
            "the platform's stream stays parked",
            shipped_and(
                r#"forbid (principal, action == Platform::Action::"UnparkStream", resource == Platform::Stream::"platform/platform");"#,
            ),
        ),
        (
            "a policy that fails",
            shipped_and(
                r#"forbid (principal, action == Platform::Action::"ActivatePolicySet", resource) when { 9223372036854775807 + 1 == 0 };"#,
            ),
        ),
    ];
    for (what, policies) in cases {
        let hash = site.publish(&policies);
        let refused = site.activate(&hash);
        assert_eq!(refused.code(), "POLICY_LOCKS_OUT_ADMINS", "{what}");
        assert!(refused.rejected().message.contains("may not"), "{}", refused.rejected().message);
    }
    site.solo.settle();
    assert_eq!(site.activation(), before, "nothing was changed");

    // The one who asks may be the one who is let in; and a failure that is to be skipped locks nobody out.
    for policies in [
        forbid("ActivatePolicySet", "principal == User::\"root\""),
        shipped_and(
            r#"@on_error("skip") forbid (principal, action == Platform::Action::"ActivatePolicySet", resource) when { 9223372036854775807 + 1 == 0 };"#,
        ),
    ] {
        let hash = site.publish(&policies);
        site.activate(&hash).accepted();
        site.solo.settle();
        site.activate(&in_force).accepted();
        site.solo.settle();
    }
    site.solo.check_replay();
}

#[test]
fn a_policy_that_fails_denies_and_the_decision_names_it() {
    let mut site = Site::new();
    let odd = r#"@id("odd") forbid (principal, action == Bell::Action::"Use", resource)
        when { 9223372036854775807 + 1 == 0 };"#;
    let hash = site.publish(&shipped_and(odd));
    site.activate(&hash).accepted();
    site.solo.settle();
    let denied = site.bell("acme", "Ring", "b");
    assert_eq!((denied.code(), &denied.0.failed_policies[..]), ("POLICY_DENIED", &["odd".to_owned()][..]));
    assert_eq!(denied.0.determining_policies, ["odd"]);
    assert!(denied.rejected().message.contains("odd"), "{}", denied.rejected().message);
    assert_eq!(denied.rejected().metadata["failed_policies"], "odd");

    let hash = site.publish(&shipped_and(&odd.replace("@id", "@on_error(\"skip\") @id")));
    site.activate(&hash).accepted();
    site.solo.settle();
    let rung = site.bell("acme", "Ring", "b").accepted();
    assert_eq!(rung.0.failed_policies, ["odd"], "it is on record that it failed");
    site.solo.check_replay();
}

#[test]
fn a_schema_that_would_keep_the_partition_busy_is_refused_at_once() {
    let mut site = Site::new();
    let names = |prefix: &str, count: usize| (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(", ");
    for types in [110, 300, 3_000] {
        let (principals, resources) = (names("P", types), names("R", types));
        let schema = format!(
            "entity {principals};\nentity {resources};\naction Do appliesTo {{ principal: [{principals}], resource: \
             [{resources}] }};"
        );
        let policies = "permit (principal, action, resource) when { principal == resource };\n".repeat(70);
        let refused = site.ask("PublishPolicySet", &v1::PublishPolicySetRequest { schema, ..publish(&policies) });
        assert_eq!(refused.code(), "POLICY_SET_INVALID", "{types}");
    }
    site.solo.check_replay();
}

#[test]
fn when_development_ends_the_set_that_ships_takes_its_place_for_good() {
    use daybook_proto::log::v1::CommandRecord;
    let mut site = Site::of_development();
    site.ask("AdvanceClock", &advance(HOUR)).accepted();
    let production = || v1::PublishShippedPolicySet {
        policies: registry().shipped_policies(),
        schema: registry().shipped_schema(),
        ends_development: true,
        ..Default::default()
    };
    let end = |site: &mut Site| {
        let payload = prost::Message::encode_to_vec(&production());
        let record = site.solo.record("platform", "platform", "PublishShippedPolicySet", payload);
        Answer(site.solo.submit(CommandRecord { actor: system(), ..record })).accepted().events()
    };
    let events = end(&mut site);
    assert!(matches!(events.last(), Some(Event::PolicySetActivated(_))), "{events:?}");
    site.solo.settle();
    assert_eq!(site.ask("AdvanceClock", &advance(HOUR)).code(), "POLICY_DENIED");
    assert_eq!(end(&mut site), [], "once");
    let by_caller = site.ask("PublishShippedPolicySet", &production());
    assert_eq!(by_caller.code(), "UNKNOWN_KIND", "nobody but the node itself may say so");
    site.solo.check_replay();
}

#[test]
fn a_policy_about_one_set_holds_however_that_set_is_named() {
    let mut site = Site::new();
    let dangerous = site.publish(r#"permit (principal, action, resource);"#);
    let rule = format!(
        r#"@id("not-that-one")
        forbid (principal, action == Platform::Action::"ActivatePolicySet", resource == Platform::PolicySet::"{dangerous}");"#
    );
    let careful = site.publish(&shipped_and(&rule));
    site.activate(&careful).accepted();
    site.solo.settle();
    for name in [&dangerous, &dangerous[..8], &dangerous.to_ascii_uppercase()] {
        let denied = site.activate(name);
        assert_eq!(denied.code(), "POLICY_DENIED", "{name}");
        assert_eq!(denied.0.determining_policies, ["not-that-one"]);
    }
    assert_eq!(site.activate(&careful[..8]).code(), "ACCEPTED");
    site.solo.check_replay();
}

#[test]
fn the_set_that_ships_is_put_in_force_once() {
    use daybook_proto::log::v1::CommandRecord;
    let mut site = Site::new();
    let before = site.activation();
    let again = v1::PublishShippedPolicySet {
        policies: development(),
        schema: registry().shipped_schema(),
        description: String::new(),
        feature_level: 1,
        ..Default::default()
    };
    let record =
        site.solo.record("platform", "platform", "PublishShippedPolicySet", prost::Message::encode_to_vec(&again));
    let answer = Answer(site.solo.submit(CommandRecord { actor: system(), ..record }));
    assert_eq!(answer.events(), [], "a log that has one keeps it, whatever a newer release ships");
    assert_eq!(site.activation(), before);
}

#[test]
fn a_confirmation_that_comes_twice_counts_once() {
    let mut site = Site::new();
    let hash = site.publish(&development());
    site.activate(&hash).accepted();
    let (key, row) = site.first_effect().unwrap();
    site.forward(key, &row).accepted();
    assert_eq!(site.forward(key, &row).code(), "DUPLICATE");
    site.confirm(key, &row, true, 0).accepted();
    assert_eq!(site.confirm(key, &row, true, 0).code(), "DUPLICATE");
    assert_eq!(site.confirm(key, &row, true, 1).code(), "EFFECT_ALREADY_RECORDED");
    assert_eq!(site.activation(), (hash, 1));
    site.solo.check_replay();
}

#[test]
fn sets_are_shown_whole_and_listed_the_newest_first() {
    let mut site = Site::new();
    let (shipped, _) = site.activation();
    let silent = site.publish(&shipped_and(NO_BELLS));
    let developed = site.publish(&development());
    site.activate(&silent).accepted();
    let get = |site: &Site, hash: &str| {
        let request = v1::GetPolicySetRequest { policy_set_hash: hash.into(), ..Default::default() };
        GetPolicySet::answer(&site.tables(), request, &site.asked()).map(|answer| answer.policy_set.unwrap())
    };
    let shown = get(&site, "").unwrap();
    assert_eq!((&shown.policy_set_hash, shown.active, shown.active_partitions), (&silent, true, 0), "the active one");
    assert!(shown.policies.contains("no-bells") && !shown.schema.is_empty(), "with its text");
    site.solo.settle();
    assert_eq!(get(&site, &silent[..8]).unwrap().active_partitions, 1);
    assert!(!get(&site, &developed).unwrap().active);
    assert!(matches!(get(&site, "0000000000"), Err(Refusal::Rejected(no)) if no.code.name == "POLICY_SET_NOT_FOUND"));

    let mut request = v1::ListPolicySetsRequest { page_size: 2, ..Default::default() };
    let first = ListPolicySets::answer(&site.tables(), request.clone(), &site.asked()).unwrap();
    let hashes = |page: &v1::ListPolicySetsResponse| {
        page.policy_sets.iter().map(|set| (set.policy_set_hash.clone(), set.active)).collect::<Vec<_>>()
    };
    assert_eq!(hashes(&first), [(developed, false), (silent, true)]);
    assert!(first.policy_sets.iter().all(|set| set.policies.is_empty() && set.schema.is_empty()), "without texts");
    request.page_token = first.next_page_token;
    let second = ListPolicySets::answer(&site.tables(), request.clone(), &site.asked()).unwrap();
    assert_eq!((hashes(&second), second.next_page_token.as_str()), (vec![(shipped, false)], ""));
    request.page_token = "not a token".into();
    assert!(ListPolicySets::answer(&site.tables(), request, &site.asked()).is_err());
}
