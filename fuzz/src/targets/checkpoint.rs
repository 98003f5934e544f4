//! A signed checkpoint, from wherever its keeper had it.

use daybook_checkpoint::{PublicKey, Seen, Signed, judge};

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(key) = PublicKey::from_hex(text) {
        assert_eq!(PublicKey::from_hex(&key.to_string()), Some(key));
    }
    let Ok(signed) = Signed::from_json(text) else { return };
    assert_eq!(Signed::from_json(&signed.to_json()).as_ref(), Ok(&signed));
    let Ok(checkpoint) = signed.verified(None) else { return };
    assert!(signed.verified(Some(signed.public_key())).is_ok());
    assert_eq!(checkpoint.text().lines().count(), 4 + checkpoint.heads.len(), "what is signed has one meaning");
    for mark in &checkpoint.heads {
        let seen = Seen { decisions_next: mark.next_record, commands_next: mark.next_command, head: None };
        assert!(judge(checkpoint, mark, &seen).is_err(), "a log without the hash does not pass");
    }
}
