//! Erasing actors, and the end of epochs.

use bytes::Bytes;
use daybook_kernel::key::All;
use daybook_proto::product_analytics::v1::*;
use product_analytics_projection::Event;

use crate::product::{DAY, Product};

fn erase(product: &mut Product, pseudonyms: &[u8]) -> Result<usize, String> {
    let pseudonyms = pseudonyms.iter().map(|byte| Bytes::from(vec![*byte; 16])).collect();
    let request = EraseActorRequest { pseudonyms, ..Default::default() };
    match product.ask("EraseActor", &request, "privacy")?.remove(0) {
        Event::ActorErased(event) => Ok(event.pseudonyms.len()),
        other => panic!("{other:?}"),
    }
}

/// A batch of one event of the actor whose pseudonym is sevens.
fn record(product: &mut Product) {
    let batch = product.batch(&[(0, 0)]);
    product.record(batch).unwrap();
}

#[test]
fn an_erased_actor_is_gone_and_may_come_back_as_somebody_new() {
    let mut product = Product::new();
    record(&mut product);
    let number = |product: &Product| product.tables().actors().get((&[7; 16],)).unwrap().map(|row| row.number);
    assert_eq!(number(&product), Some(1));
    assert_eq!(erase(&mut product, &[7, 8]), Ok(1), "one of the two has events");
    assert_eq!(number(&product), None);
    assert_eq!(erase(&mut product, &[7]), Ok(0), "nothing is left to erase");
    record(&mut product);
    assert_eq!(number(&product), Some(2), "nobody was ever here before");
    product.solo.settle();
    assert!(product.tables().erased().get(()).unwrap().is_none(), "nothing waits to be purged");
    product.solo.check_replay();
}

#[test]
fn only_who_answers_for_privacy_erases() {
    let mut product = Product::new();
    let request = EraseActorRequest { pseudonyms: vec![Bytes::from(vec![7; 16])], ..Default::default() };
    for role in ["product", "service", "analyst", "auditor", "admin"] {
        assert_eq!(product.ask("EraseActor", &request, role).unwrap_err(), "POLICY_DENIED", "{role}");
    }
}

#[test]
fn who_is_to_be_erased_never_reaches_the_log_by_name() {
    let mut product = Product::new();
    for request in [
        EraseActorRequest { actor: "maria@example.com".into(), ..Default::default() },
        EraseActorRequest { pseudonyms: vec![Bytes::from(vec![7; 15])], ..Default::default() },
    ] {
        assert_eq!(product.ask("EraseActor", &request, "privacy").unwrap_err(), "INVALID_ARGUMENT");
    }
}

#[test]
fn the_key_of_an_epoch_is_destroyed_when_no_event_of_it_can_come_in_any_more() {
    let mut product = Product::new();
    record(&mut product);
    let epochs = |product: &Product| -> Vec<(i64, EpochRow)> {
        product.tables().epochs().scan(All).map(|row| row.map(|((epoch,), row)| (epoch, row)).unwrap()).collect()
    };
    let now_day = product.solo.log_time().as_micros() / 86_400_000_000;
    let [(epoch, _)] = epochs(&product)[..] else { panic!("one epoch") };
    assert_eq!(epoch, now_day / 90 * 90);
    // Until its end, a week of late events, and a day to spare.
    let over = epoch + 90 + 7 + 1;
    product.solo.advance(DAY * u32::try_from(over - now_day - 1).unwrap());
    product.solo.settle();
    assert!(product.solo.destroyed_keys.is_empty(), "up to a day is left");
    product.solo.advance(2 * DAY);
    product.solo.settle();
    assert_eq!(product.solo.destroyed_keys, [("acme".to_owned(), format!("tenant/actors/{epoch}"))]);
    let [(_, row)] = &epochs(&product)[..] else { panic!("one epoch") };
    assert!(row.has_ended && row.destroyed_at_us > 0 && !row.key_fingerprint.is_empty());
    product.solo.check_replay();
}

#[test]
fn a_longer_epoch_keeps_its_key_longer() {
    let mut product = Product::new();
    record(&mut product);
    let profile = MinimisationProfile { pseudonym_epoch_days: 360, ..Default::default() };
    let request = SetMinimisationProfileRequest { profile: Some(profile), ..Default::default() };
    product.ask("SetMinimisationProfile", &request, "privacy").unwrap();
    let epoch = product.tables().epochs().scan(All).next().unwrap().unwrap().0.0;
    product.solo.advance(DAY * 110);
    product.solo.settle();
    let is_of_new_profile = epoch % 360 == 0;
    assert_eq!(product.solo.destroyed_keys.is_empty(), is_of_new_profile, "epoch {epoch}");
}
