//! What rotating pseudonyms promise.

use std::time::Duration;

use daybook_kernel::time::Timestamp;

use super::*;

const DAY_US: i64 = 86_400_000_000;

fn day(number: i64) -> Timestamp {
    Timestamp::from_micros(number * DAY_US + DAY_US / 2)
}

fn pseudonyms(ring: &Arc<MemoryKeyRing>) -> RotatingPseudonyms {
    RotatingPseudonyms::new(Arc::clone(ring) as _, Rotation::days(30))
}

#[tokio::test]
async fn somebody_is_the_same_inside_an_epoch_and_nobody_known_in_the_next() {
    let ring = Arc::new(MemoryKeyRing::new());
    let (here, there) = (pseudonyms(&ring), pseudonyms(&ring));
    let first = here.of(&acme(), day(0), &["ada@example.org", "bob@example.org"]).await.unwrap();
    assert!(first.iter().all(|pseudonym| is_pseudonym(pseudonym)) && first[0] != first[1]);
    let same = there.of(&acme(), day(29), &["Ada@Example.org "]).await.unwrap();
    assert_eq!(same[0], first[0], "on every node, however it is written");
    assert_eq!(here.of(&acme(), day(3), &[&first[0]]).await.unwrap()[0], first[0], "a pseudonym stays as it is");

    let next = here.of(&acme(), day(30), &["ada@example.org"]).await.unwrap();
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    let other = here.of(&elsewhere, day(0), &["ada@example.org"]).await.unwrap();
    assert!(next[0] != first[0] && other[0] != first[0] && other[0] != next[0]);
}

/// Events are recorded under the address as it is written; whoever is erased must be found under every way to write it.
#[tokio::test]
async fn an_actor_is_found_in_every_spelling_of_the_address() {
    let keys = EpochKeys::new(Arc::new(MemoryKeyRing::new()));
    let key = keys.get(&acme(), 3).await.unwrap();
    let (u, a) = ("eva@bücher.example", "eva@xn--bcher-kva.example");
    assert_ne!(key.actor(u), key.actor(a), "recorded as before, in the middle of an epoch too");
    for id in [u, a, "Eva@BÜCHER.example", "\"eva\"@xn--bcher-kva.example"] {
        let found = keys.of_actor(&acme(), id, 0..=9).await.unwrap();
        assert!(found.contains(&key.actor(u)) && found.contains(&key.actor(a)), "{id}");
    }
    assert_eq!(keys.of_actor(&acme(), "ada@example.org", 0..=9).await.unwrap(), [key.actor("ada@example.org")]);
}

#[tokio::test]
async fn an_epoch_that_is_forgotten_gives_out_no_pseudonyms_any_more() {
    let ring = Arc::new(MemoryKeyRing::new());
    let here = pseudonyms(&ring);
    here.of(&acme(), day(0), &["ada@example.org"]).await.unwrap();
    assert!(here.forget(&acme(), 0).await.unwrap().existed);
    assert!(here.forget(&acme(), 0).await.unwrap().existed, "repeating it says the same");
    for maker in [&here, &pseudonyms(&ring)] {
        let refused = maker.of(&acme(), day(0), &["ada@example.org"]).await.unwrap_err();
        assert!(matches!(refused, PrivacyError::Destroyed { .. }), "{refused}");
    }
    here.of(&acme(), day(30), &["ada@example.org"]).await.unwrap();
}

#[test]
fn epochs_follow_one_another_without_a_gap() {
    let rotation = Rotation::days(30);
    for epoch in [-2, -1, 0, 1, 700] {
        let begins = rotation.begins_at(epoch);
        assert_eq!(rotation.epoch_at(begins), epoch);
        assert_eq!(rotation.epoch_at(begins.saturating_add(Duration::from_secs(30 * 86_400 - 1))), epoch);
        assert_eq!(rotation.epoch_at(begins.saturating_add(Duration::from_secs(30 * 86_400))), epoch + 1);
    }
    assert_eq!(Rotation::days(0), Rotation::days(1));
}
