//! How nodes tell each other from everybody else: all nodes of a log hold the same master key, so each request carries a
//! code (HMAC-SHA-256, RFC 2104) that only who holds it can make.
//!
//! The code covers the method, the node, the time and the body. A copy of it is good for the same request for a minute,
//! which does no harm: deciding a command again gives the same decision. Nobody who can listen should learn what passes
//! between nodes: use TLS where the network is not trusted.

use aws_lc_rs::{constant_time, digest, hmac};
use daybook_kernel::time::Timestamp;
use daybook_privacy::MasterKey;

/// The scheme in the Authorization header.
pub(crate) const SCHEME: &str = "Daybook-Node";

/// By how much the clocks of nodes may differ, in microseconds.
const SKEW_US_MAX: i64 = 60_000_000;

/// The key that codes are made with.
#[derive(Clone)]
pub struct Credentials {
    key: hmac::Key,
    node_id: String,
}

impl Credentials {
    /// Those of a node. The master key itself is not used for codes.
    pub fn new(master: &MasterKey, node_id: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &master.derive("daybook between nodes 1")[..]);
        Self { key, node_id: node_id.to_owned() }
    }

    /// The value of an Authorization header for a request.
    pub fn sign(&self, path: &str, body: &[u8], now: Timestamp) -> String {
        let now_us = now.as_micros();
        let code = hmac::sign(&self.key, &covered(path, &self.node_id, now_us, body));
        format!("{SCHEME} {} {now_us} {}", self.node_id, hex(code.as_ref()))
    }

    /// The node that made a request, or why it is not believed.
    ///
    /// # Errors
    /// Why it is not believed, in words.
    pub fn verify(&self, header: &str, path: &str, body: &[u8], now: Timestamp) -> Result<String, &'static str> {
        let mut parts = header.split(' ');
        let (Some(SCHEME), Some(node), Some(at_us), Some(code), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("the request does not come from a node of this log");
        };
        let at_us: i64 = at_us.parse().map_err(|_| "the time of the request cannot be read")?;
        if now.as_micros().abs_diff(at_us) > SKEW_US_MAX.unsigned_abs() {
            return Err("the request is more than a minute old, or the clocks of the nodes differ by more than that");
        }
        let expected = hmac::sign(&self.key, &covered(path, node, at_us, body));
        constant_time::verify_slices_are_equal(hex(expected.as_ref()).as_bytes(), code.as_bytes())
            .map_err(|_| "the request was made with another master key")?;
        Ok(node.to_owned())
    }
}

fn covered(path: &str, node: &str, at_us: i64, body: &[u8]) -> Vec<u8> {
    let body = digest::digest(&digest::SHA256, body);
    [path.as_bytes(), b"\n", node.as_bytes(), b"\n", at_us.to_string().as_bytes(), b"\n", body.as_ref()].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(master: char) -> Credentials {
        Credentials::new(&MasterKey::from_hex(&master.to_string().repeat(64)).unwrap(), "n1")
    }

    #[test]
    fn only_who_holds_the_master_key_is_believed_and_only_for_what_it_asked() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let header = credentials('a').sign("/m", b"body", now);
        assert_eq!(credentials('a').verify(&header, "/m", b"body", now), Ok("n1".to_owned()));
        for (other, path, body, later_us) in [
            (credentials('b'), "/m", &b"body"[..], 0),
            (credentials('a'), "/n", b"body", 0),
            (credentials('a'), "/m", b"other", 0),
            (credentials('a'), "/m", b"body", SKEW_US_MAX + 1),
        ] {
            let at = Timestamp::from_micros(now.as_micros() + later_us);
            assert!(other.verify(&header, path, body, at).is_err());
        }
        for nonsense in ["", "Bearer x", "Daybook-Node", "Daybook-Node n1 x y", "Daybook-Node n1 1 2 3"] {
            assert!(credentials('a').verify(nonsense, "/m", b"body", now).is_err(), "{nonsense}");
        }
    }
}
