//! Creating, suspending and resuming tenants, one case each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::partitions::Partitions;
use common::*;
use daybook_kernel::domain::Query;
use daybook_kernel::rejection::Refusal;
use daybook_proto::platform::v1::{self, TenantState};
use platform_projection::{Event, GetTenant, ListTenants};

#[test]
fn a_tenant_is_known_once_every_partition_was_told() {
    let mut site = Site::new();
    assert_eq!(site.bell("globex", "Ring", "b").code(), "TENANT_UNKNOWN");
    let created =
        site.ask("CreateTenant", &v1::CreateTenantRequest { display_name: "Globex".into(), ..create("globex") });
    assert!(matches!(&created.events()[..], [Event::TenantChanged(event)] if event.reason.is_empty()));
    let tenant = site.tenant("globex");
    assert_eq!((tenant.state(), tenant.partitions_ready, tenant.partitions), (TenantState::Creating, 0, 1));
    assert_eq!((tenant.revision, tenant.display_name.as_str()), (1, "Globex"));
    assert_eq!(tenant.created_at, Some(site.solo.log_time().to_proto()));
    assert_eq!(site.bell("globex", "Ring", "b").code(), "TENANT_UNKNOWN", "decided is not yet known");

    site.solo.settle();
    let tenant = site.tenant("globex");
    assert_eq!((tenant.state(), tenant.partitions_ready), (TenantState::Active, 1));
    site.bell("globex", "Ring", "b").accepted();
    site.solo.check_replay();
}

#[test]
fn commands_are_taken_where_a_new_tenant_is_known_and_nowhere_else() {
    let mut all = Partitions::new(3);
    all.ask("CreateTenant", &create("acme")).accepted();
    assert_eq!(all.open().iter().map(|(target, _, _)| *target).collect::<Vec<_>>(), [0, 1, 2], "each is told");
    for (ready, partition) in (1..).zip([2, 0, 1]) {
        assert_eq!(all.ring("acme", partition).code(), "TENANT_UNKNOWN");
        all.deliver_to(partition);
        all.ring("acme", partition).accepted();
        let tenant = all.tenant("acme");
        assert_eq!((tenant.partitions_ready, tenant.partitions), (ready, 3));
        let state = if ready == 3 { TenantState::Active } else { TenantState::Creating };
        assert_eq!(tenant.state(), state, "active once all have confirmed");
    }
    assert!(all.open().is_empty());
}

#[test]
fn ids_that_are_no_tenant_ids_are_refused_with_the_field() {
    let mut site = Site::new();
    let long = "a".repeat(64);
    for bad in ["", "-a", "Acme", "a_b", "a b", "ä", "_partition", "a/b", long.as_str()] {
        let refused = site.create(bad);
        assert_eq!((refused.code(), refused.fields()), ("INVALID_ARGUMENT", vec!["new_tenant_id"]), "{bad:?}");
        assert!(site.tables().tenants().get((bad,)).unwrap().is_none());
    }
    for good in ["a", "0", "a-", "0-9", &long[..63]] {
        site.create(good).accepted();
    }
    let request = v1::CreateTenantRequest { display_name: "x".repeat(201), ..create("B") };
    assert_eq!(site.ask("CreateTenant", &request).fields(), ["new_tenant_id", "display_name"], "all at once");
    site.solo.check_replay();
}

#[test]
fn a_tenant_is_created_once() {
    let mut site = Site::new();
    assert_eq!(site.create("acme").code(), "TENANT_ALREADY_EXISTS");
    site.create("globex").accepted();
    assert_eq!(site.create("globex").code(), "TENANT_ALREADY_EXISTS", "also while it is on its way");
    site.solo.settle();
    site.suspend("globex").accepted();
    assert_eq!(site.create("globex").code(), "TENANT_ALREADY_EXISTS", "also while it is suspended");
    assert_eq!(site.create("platform").code(), "TENANT_ALREADY_EXISTS", "there from the beginning");
    site.solo.settle();
    assert_eq!(site.tenant("globex").state(), TenantState::Suspended, "what was refused changed nothing");
    site.solo.check_replay();
}

#[test]
fn a_suspended_tenants_commands_are_refused_until_it_is_resumed() {
    let mut site = Site::new();
    let suspended = site.suspend("acme");
    assert!(matches!(&suspended.events()[..], [Event::TenantChanged(event)] if event.reason == "unpaid"));
    site.bell("acme", "Ring", "b").accepted();
    site.solo.settle();
    let refused = site.bell("acme", "Ring", "b");
    assert_eq!(refused.code(), "TENANT_SUSPENDED");
    assert_eq!(refused.rejected().metadata["tenant_id"], "acme");
    let tenant = site.tenant("acme");
    assert_eq!((tenant.state(), tenant.revision, tenant.partitions_ready), (TenantState::Suspended, 2, 1));

    site.resume("acme").accepted();
    assert_eq!(site.bell("acme", "Ring", "b").code(), "TENANT_SUSPENDED", "not before the partition was told");
    site.solo.settle();
    site.bell("acme", "Ring", "b").accepted();
    let tenant = site.tenant("acme");
    assert_eq!((tenant.state(), tenant.revision, tenant.partitions_ready), (TenantState::Active, 3, 1));
    site.solo.check_replay();
}

#[test]
fn others_do_not_notice_a_suspension() {
    let mut site = Site::new();
    site.create("globex").accepted();
    site.solo.settle();
    site.suspend("acme").accepted();
    site.solo.settle();
    site.bell("globex", "Ring", "b").accepted();
    assert_eq!(site.tenant("globex").state(), TenantState::Active);
    site.create("initech").accepted();
}

#[test]
fn suspending_and_resuming_what_stands_so_already_changes_nothing() {
    let mut site = Site::new();
    assert_eq!(site.resume("acme").code(), "TENANT_STATE_UNCHANGED");
    site.suspend("acme").accepted();
    assert_eq!(site.suspend("acme").code(), "TENANT_STATE_UNCHANGED");
    site.resume("acme").accepted();
    assert_eq!(site.resume("acme").code(), "TENANT_STATE_UNCHANGED");
    assert_eq!(site.tenant("acme").revision, 3, "two changes");
    site.create("globex").accepted();
    assert_eq!(site.resume("globex").code(), "TENANT_STATE_UNCHANGED", "it is on its way, and not suspended");
    site.solo.check_replay();
}

#[test]
fn only_tenants_that_exist_are_suspended_and_the_platform_itself_is_none() {
    let mut site = Site::new();
    for nobody in ["globex", "platform", "_partition"] {
        assert_eq!(site.suspend(nobody).code(), "TENANT_NOT_FOUND", "{nobody}");
        assert_eq!(site.resume(nobody).code(), "TENANT_NOT_FOUND", "{nobody}");
    }
    site.create("globex").accepted();
    for (kind, id, reason) in [("SuspendTenant", "", ""), ("SuspendTenant", "a b", "   ")] {
        let request = v1::SuspendTenantRequest { target_tenant_id: id.into(), reason: reason.into(), ..suspend(id) };
        assert_eq!(site.ask(kind, &request).fields(), ["target_tenant_id", "reason"], "{id:?}");
    }
    let request = v1::ResumeTenantRequest { reason: "x".repeat(2_001), ..resume("acme") };
    assert_eq!(site.ask("ResumeTenant", &request).fields(), ["reason"]);
}

#[test]
fn a_suspended_tenants_timers_wait_and_come_back() {
    let mut site = Site::new();
    site.bell("acme", "Wind", "b").accepted();
    site.suspend("acme").accepted();
    site.solo.settle();
    let rings = |site: &Site| {
        let acme = daybook_kernel::id::TenantId::parse("acme").unwrap();
        site.solo.tables::<bell::Tables<'_>>(&acme).rings().get(("b",)).unwrap().unwrap_or_default()
    };
    for _ in 0..3 {
        site.solo.advance(HOUR);
        let before = site.solo.commands.len();
        site.solo.settle();
        assert_eq!(rings(&site), 0, "while nobody could stop it, nothing happens by itself");
        assert_eq!(site.solo.commands.len() - before, 1, "it is tried once an hour");
    }
    site.resume("acme").accepted();
    site.solo.settle();
    assert_eq!(rings(&site), 0, "it is not due again yet");
    site.solo.advance(HOUR);
    site.solo.settle();
    assert_eq!(rings(&site), 1);
    site.solo.advance(2 * HOUR);
    site.solo.settle();
    assert_eq!(rings(&site), 1, "once");
    site.solo.check_replay();
}

/// A suspension that is decided before its tenant was known everywhere goes out after it, or instead of it.
#[test]
fn the_later_change_stands_in_whatever_order_the_partition_is_told() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut all = Partitions::new(2);
        all.ask("CreateTenant", &create("acme")).accepted();
        all.ask("SuspendTenant", &suspend("acme")).accepted();
        all.ask("ResumeTenant", &resume("acme")).accepted();
        let open = all.open_for(1);
        assert_eq!(open.len(), 3);
        let mut latest = None;
        for change in order {
            let (key, row) = &open[change];
            all.deliver(*key, row);
            latest = latest.max(Some(change));
            let expected = if latest == Some(1) { "TENANT_SUSPENDED" } else { "ACCEPTED" };
            assert_eq!(all.ring("acme", 1).code(), expected, "{order:?} after {change}");
        }
        assert_eq!(all.ring("acme", 0).code(), "TENANT_UNKNOWN", "the other partition was not told");
        assert_eq!(all.tenant("acme").partitions_ready, 1, "only the answer to the latest change counts");
        all.deliver_to(0);
        assert_eq!(all.tenant("acme").partitions_ready, 2);
        all.ring("acme", 0).accepted();
    }
}

#[test]
fn what_is_sent_twice_is_decided_once() {
    let mut site = Site::new();
    site.create("globex").accepted();
    let (key, row) = site.first_effect().unwrap();
    let told = site.forward(key, &row).accepted();
    assert_eq!(told.events().len(), 1);
    assert_eq!(site.forward(key, &row).code(), "DUPLICATE", "the partition is told again");
    site.confirm(key, &row, true, 0).accepted();
    assert_eq!(site.confirm(key, &row, true, 0).code(), "DUPLICATE", "its answer comes again");
    assert_eq!(site.confirm(key, &row, true, 1).code(), "EFFECT_ALREADY_RECORDED", "and under another id");
    let tenant = site.tenant("globex");
    assert_eq!((tenant.partitions_ready, tenant.state()), (1, TenantState::Active), "it counts once");
    assert_eq!(site.first_effect(), None);
    site.solo.check_replay();
}

#[test]
fn a_partition_that_refused_is_not_counted() {
    let mut site = Site::new();
    site.create("globex").accepted();
    let (key, row) = site.first_effect().unwrap();
    let confirmed = site.confirm(key, &row, false, 0).accepted();
    assert_eq!(confirmed.events(), []);
    let tenant = site.tenant("globex");
    assert_eq!((tenant.partitions_ready, tenant.state()), (0, TenantState::Creating), "for everyone to see");
}

#[test]
fn callers_cannot_send_what_only_daybook_sends() {
    let mut site = Site::new();
    let tenant = v1::Tenant { tenant_id: "mine".into(), revision: 1, ..Default::default() };
    let forged = v1::SetPartitionTenant { tenant: Some(tenant) };
    assert_eq!(site.ask("SetPartitionTenant", &forged).code(), "UNKNOWN_KIND");
    let forged = v1::ConfirmPartition::default();
    assert_eq!(site.ask("ConfirmPartition", &forged).code(), "UNKNOWN_KIND");
    let forged = v1::ActivatePartitionPolicySet::default();
    assert_eq!(site.ask("ActivatePartitionPolicySet", &forged).code(), "UNKNOWN_KIND");
    let forged = v1::AdvancePartitionClock::default();
    assert_eq!(site.ask("AdvancePartitionClock", &forged).code(), "UNKNOWN_KIND");
    let forged = v1::PublishShippedPolicySet::default();
    assert_eq!(site.ask("PublishShippedPolicySet", &forged).code(), "UNKNOWN_KIND");
    assert_eq!(site.bell("mine", "Ring", "b").code(), "TENANT_UNKNOWN");
}

#[test]
fn tenants_are_shown_and_listed_by_pages() {
    let mut site = Site::new();
    for id in ["globex", "0-first", "initech"] {
        site.create(id).accepted();
    }
    let (tables, asked) = (site.tables(), site.asked());
    let mut request = v1::ListTenantsRequest { page_size: 3, ..Default::default() };
    let first = ListTenants::answer(&tables, request.clone(), &asked).unwrap();
    let ids =
        |page: &v1::ListTenantsResponse| page.tenants.iter().map(|tenant| tenant.tenant_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ["0-first", "acme", "globex"]);
    request.page_token = first.next_page_token;
    let second = ListTenants::answer(&tables, request.clone(), &asked).unwrap();
    assert_eq!((ids(&second), second.next_page_token.as_str()), (vec!["initech".to_owned()], ""));
    for size in [-1, 1_001] {
        let request = v1::ListTenantsRequest { page_size: size, ..Default::default() };
        assert_eq!(refusal(ListTenants::answer(&tables, request, &asked)), "INVALID_ARGUMENT");
    }
    let shown = |id: &str| {
        let request = v1::GetTenantRequest { target_tenant_id: id.into(), ..Default::default() };
        GetTenant::answer(&tables, request, &asked)
    };
    assert_eq!(shown("acme").unwrap().tenant, Some(site.tenant("acme")));
    assert_eq!(refusal(shown("nobody")), "TENANT_NOT_FOUND");
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> &'static str {
    match answer.unwrap_err() {
        Refusal::Rejected(rejection) => rejection.code.name,
        Refusal::Fault(fault) => panic!("{fault}"),
    }
}
