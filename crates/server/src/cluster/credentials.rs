//! How nodes tell each other from everybody else: all nodes of a log hold the same master key, so each request and each
//! answer carries a code (HMAC-SHA-256, RFC 2104) that only a holder of that key can make.
//!
//! ```text
//!   daybook-node-request: 2 FROM TO TIME SESSION NUMBER LENGTH HASH CODE
//!   daybook-node-answer:  2 STATUS LENGTH HASH CODE
//! ```
//!
//! Both are headers, so that each side believes the other before it reads one byte of a body, and knows how long the body
//! is and what it hashes to. The code of a request covers the method, both nodes, the time, and the body; with SESSION and
//! NUMBER no two requests are alike ([`Replays`](super::replays::Replays)). The code of an answer covers the code of the
//! request, the status with its text and details, and the body: it answers that one request.
//!
//! Releases that understand feature levels up to 2 know neither header. They send a code over method, time and body in
//! the Authorization header, and no code of their answers. Both are accepted while the log is below
//! [`CODES_REQUIRED`](super::CODES_REQUIRED), and refused from then on.
//!
//! A code does not hide anything: use TLS where the network is not trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{constant_time, digest, hmac};
use daybook_kernel::time::Timestamp;
use daybook_privacy::MasterKey;

/// The header of a request that says which node asks which.
pub(crate) const REQUEST_HEADER: &str = "daybook-node-request";
/// The header of an answer that says that the node that was asked has made it.
pub(crate) const ANSWER_HEADER: &str = "daybook-node-answer";
/// The scheme in the Authorization header of older releases.
const OLD_SCHEME: &str = "Daybook-Node";
/// The form of both headers.
const FORM: &str = "2";

/// By how much the clocks of nodes may differ, in microseconds.
pub(super) const SKEW_US_MAX: i64 = 60_000_000;

/// A body as a code covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// In bytes.
    pub length: usize,
    /// SHA-256.
    pub hash: [u8; 32],
}

impl Body {
    /// Of a whole body.
    pub fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), hash: sha256(bytes) }
    }
}

/// A request whose code is right: a node of this log has made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The node that asks.
    pub from: String,
    /// The node that is asked.
    pub to: String,
    /// When it asked, in microseconds since 1970.
    pub at_us: i64,
    /// When the node that asks was started, by its clock, in microseconds since 1970.
    pub session: u64,
    /// Counts the requests of the session.
    pub number: u64,
    /// Its body.
    pub body: Body,
    /// The code.
    pub code: Code,
}

/// The code of a request.
pub type Code = [u8; 32];

/// What an answer says, as its code covers it: the bytes of gRPC's headers as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerParts<'a> {
    /// gRPC's status, 0 for a response.
    pub status: i32,
    /// The text of a refusal.
    pub message: &'a [u8],
    /// Its details.
    pub details: &'a [u8],
}

/// The keys that codes are made with.
#[derive(Clone)]
pub struct Credentials {
    requests: hmac::Key,
    answers: hmac::Key,
    old: hmac::Key,
    node_id: String,
    session: u64,
    count: Arc<AtomicU64>,
}

impl Credentials {
    /// Those of a node that starts now. The master key itself is not used for codes.
    pub fn new(master: &MasterKey, node_id: &str, now: Timestamp) -> Self {
        let key = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, &master.derive(purpose)[..]);
        Self {
            requests: key("daybook between nodes 2: requests"),
            answers: key("daybook between nodes 2: answers"),
            old: key("daybook between nodes 1"),
            node_id: node_id.to_owned(),
            session: u64::try_from(now.as_micros()).unwrap_or_default(),
            count: Arc::default(),
        }
    }

    /// The node that these are of.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// The header of a request to another node, and its code.
    pub fn sign_request(&self, to: &str, path: &str, body: &[u8], now: Timestamp) -> (String, Code) {
        let (from, to, body) = (hex(self.node_id.as_bytes()), hex(to.as_bytes()), Body::of(body));
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let (at_us, session, length, hash) = (now.as_micros(), self.session, body.length, hex(&body.hash));
        let said = format!("{FORM} {from} {to} {at_us} {session} {number} {length} {hash}");
        let code = hmac::sign(&self.requests, &covered(path, &said));
        (format!("{said} {}", hex(code.as_ref())), array(code.as_ref()))
    }

    /// A request, by its header: made by a node of this log. Whether it is for this node, and of now, is for
    /// [`SignedRequest::check`] to say.
    ///
    /// # Errors
    /// Why it is not believed, in words.
    pub fn verify_request(&self, header: &str, path: &str) -> Result<SignedRequest, &'static str> {
        const UNREADABLE: &str = "what the request says of itself cannot be read";
        let (said, code) = header.rsplit_once(' ').ok_or(UNREADABLE)?;
        let code: Code = unhex(code).and_then(|code| code.try_into().ok()).ok_or(UNREADABLE)?;
        hmac::verify(&self.requests, &covered(path, said), &code)
            .map_err(|_| "the request was made with another master key, or changed on its way")?;
        let mut parts = said.split(' ');
        if parts.next() != Some(FORM) {
            return Err("the request has a form that this release does not know");
        }
        let mut next = || parts.next().ok_or(UNREADABLE);
        let text = |hex: &str| unhex(hex).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(UNREADABLE);
        let signed = SignedRequest {
            from: text(next()?)?,
            to: text(next()?)?,
            at_us: next()?.parse().map_err(|_| UNREADABLE)?,
            session: next()?.parse().map_err(|_| UNREADABLE)?,
            number: next()?.parse().map_err(|_| UNREADABLE)?,
            body: Body {
                length: next()?.parse().map_err(|_| UNREADABLE)?,
                hash: unhex(next()?).and_then(|hash| hash.try_into().ok()).ok_or(UNREADABLE)?,
            },
            code,
        };
        if parts.next().is_some() { Err(UNREADABLE) } else { Ok(signed) }
    }

    /// The header of an answer to a request.
    pub fn sign_answer(&self, request: &Code, parts: AnswerParts<'_>, body: &[u8]) -> String {
        let body = Body::of(body);
        let said = format!("{FORM} {} {} {}", parts.status, body.length, hex(&body.hash));
        let code = hmac::sign(&self.answers, &answer_covered(request, &said, parts));
        format!("{said} {}", hex(code.as_ref()))
    }

    /// What an answer to a request says of itself: its status, and its body. `parts` is what its other headers say; of a
    /// response, whose status comes behind the body, only the header counts.
    ///
    /// # Errors
    /// Why it is not believed, in words.
    pub fn verify_answer(
        &self,
        header: &str,
        request: &Code,
        message: &[u8],
        details: &[u8],
    ) -> Result<(i32, Body), &'static str> {
        const UNREADABLE: &str = "what the answer says of itself cannot be read";
        let (said, code) = header.rsplit_once(' ').ok_or(UNREADABLE)?;
        let code = unhex(code).ok_or(UNREADABLE)?;
        let mut fields = said.split(' ');
        let (Some(FORM), Some(status), Some(length), Some(hash), None) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(UNREADABLE);
        };
        let status: i32 = status.parse().map_err(|_| UNREADABLE)?;
        let parts = AnswerParts { status, message, details };
        hmac::verify(&self.answers, &answer_covered(request, said, parts), &code)
            .map_err(|_| "its code is not of a node of this log, or of another request")?;
        let hash = unhex(hash).and_then(|hash| hash.try_into().ok()).ok_or(UNREADABLE)?;
        Ok((status, Body { length: length.parse().map_err(|_| UNREADABLE)?, hash }))
    }

    /// The value of an Authorization header, for nodes of older releases.
    pub fn sign_old(&self, path: &str, body: &[u8], now: Timestamp) -> String {
        let now_us = now.as_micros();
        let code = hmac::sign(&self.old, &old_covered(path, &self.node_id, now_us, body));
        format!("{OLD_SCHEME} {} {now_us} {}", self.node_id, hex(code.as_ref()))
    }

    /// Looks at the header of a request of an older release, before its body is read.
    ///
    /// # Errors
    /// Why it cannot be right, whatever the body is.
    pub fn look_at_old<'a>(&self, header: &'a str, now: Timestamp) -> Result<OldRequest<'a>, &'static str> {
        let mut parts = header.split(' ');
        let (Some(OLD_SCHEME), Some(from), Some(at_us), Some(code), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("the request does not come from a node of this log");
        };
        let at_us: i64 = at_us.parse().map_err(|_| "the time of the request cannot be read")?;
        is_of_now(at_us, now)?;
        if code.len() != 64 {
            return Err("the code of the request cannot be read");
        }
        Ok(OldRequest { from, at_us, code })
    }

    /// Checks a request of an older release, with its body.
    ///
    /// # Errors
    /// Why it is not believed, in words.
    pub fn verify_old(&self, request: &OldRequest<'_>, path: &str, body: &[u8]) -> Result<(), &'static str> {
        let expected = hmac::sign(&self.old, &old_covered(path, request.from, request.at_us, body));
        constant_time::verify_slices_are_equal(hex(expected.as_ref()).as_bytes(), request.code.as_bytes())
            .map_err(|_| "the request was made with another master key")
    }
}

impl SignedRequest {
    /// Whether a request is for this node, and of now.
    ///
    /// # Errors
    /// Why it is refused, in words.
    pub fn check(&self, node_id: &str, now: Timestamp) -> Result<(), &'static str> {
        if self.to != node_id {
            return Err("the request is for another node; this one has another id");
        }
        is_of_now(self.at_us, now)
    }
}

/// What a request of an older release says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldRequest<'a> {
    /// The node that asks.
    pub from: &'a str,
    at_us: i64,
    code: &'a str,
}

fn is_of_now(at_us: i64, now: Timestamp) -> Result<(), &'static str> {
    if now.as_micros().abs_diff(at_us) > SKEW_US_MAX.unsigned_abs() {
        return Err("the request is more than a minute old, or the clocks of the nodes differ by more than that");
    }
    Ok(())
}

/// Neither a path nor the rest has line feeds.
fn covered(path: &str, said: &str) -> Vec<u8> {
    [path.as_bytes(), b"\n", said.as_bytes()].concat()
}

fn answer_covered(request: &Code, said: &str, parts: AnswerParts<'_>) -> Vec<u8> {
    [request, said.as_bytes(), b"\n", &sha256(parts.message), &sha256(parts.details)].concat()
}

fn old_covered(path: &str, node: &str, at_us: i64, body: &[u8]) -> Vec<u8> {
    [path.as_bytes(), b"\n", node.as_bytes(), b"\n", at_us.to_string().as_bytes(), b"\n", &sha256(body)].concat()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 and HMAC-SHA-256 have 32 bytes.
fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn credentials(master: char, node: &str) -> Credentials {
        Credentials::new(&MasterKey::from_hex(&master.to_string().repeat(64)).unwrap(), node, NOW)
    }

    fn later(us: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() + us)
    }

    #[test]
    fn a_request_is_believed_of_a_holder_of_the_master_key_at_the_node_that_it_asks_and_for_a_minute() {
        let (asking, asked) = (credentials('a', "n1"), credentials('a', "n2"));
        let (header, code) = asking.sign_request("n2", "/m", b"body", NOW);
        let request = asked.verify_request(&header, "/m").unwrap();
        assert_eq!((request.from.as_str(), &request.body, request.code), ("n1", &Body::of(b"body"), code));
        assert_eq!(request.check("n2", NOW), Ok(()));
        assert_eq!(request.check("n2", later(SKEW_US_MAX)), Ok(()));
        for wrong in [later(SKEW_US_MAX + 1), later(-SKEW_US_MAX - 1)] {
            assert!(request.check("n2", wrong).unwrap_err().contains("clocks"));
        }
        assert!(request.check("n3", NOW).unwrap_err().contains("another node"));
        assert!(credentials('b', "n2").verify_request(&header, "/m").is_err());
        assert!(asked.verify_request(&header, "/n").is_err());
        let again = asked.verify_request(&asking.sign_request("n2", "/m", b"body", NOW).0, "/m").unwrap();
        assert_ne!(request.code, again.code, "no two requests are alike");
    }

    #[test]
    fn nothing_of_a_request_can_be_changed() {
        let (asking, asked) = (credentials('a', "odd id\n"), credentials('a', "n2"));
        let (header, _) = asking.sign_request("n2", "/m", b"body", NOW);
        assert_eq!(asked.verify_request(&header, "/m").unwrap().from, "odd id\n");
        for at in 0..header.len() {
            let mut changed = header.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(asked.verify_request(&changed, "/m").is_err(), "{changed}");
        }
        let (said, code) = header.rsplit_once(' ').unwrap();
        for changed in [format!("{said} 0 {code}"), said.to_owned(), format!(" {header}"), String::new(), "2".into()] {
            assert!(asked.verify_request(&changed, "/m").is_err(), "{changed}");
        }
    }

    #[test]
    fn an_answer_is_believed_for_its_request_and_as_it_was_given() {
        let (asking, asked) = (credentials('a', "n1"), credentials('a', "n2"));
        let (_, code) = asking.sign_request("n2", "/m", b"body", NOW);
        let (_, other) = asking.sign_request("n2", "/m", b"body", NOW);
        let response = AnswerParts { status: 0, message: b"", details: b"" };
        let header = asked.sign_answer(&code, response, b"answer");
        assert_eq!(asking.verify_answer(&header, &code, b"", b""), Ok((0, Body::of(b"answer"))));
        assert!(asking.verify_answer(&header, &other, b"", b"").is_err(), "of an older request");
        assert!(credentials('b', "n1").verify_answer(&header, &code, b"", b"").is_err());
        let refusal = AnswerParts { status: 5, message: b"no such hold", details: b"x" };
        let header = asked.sign_answer(&code, refusal, b"");
        assert_eq!(asking.verify_answer(&header, &code, b"no such hold", b"x"), Ok((5, Body::of(b""))));
        for (message, details) in [(&b"no such holdx"[..], &b""[..]), (b"no such hold", b""), (b"", b"")] {
            assert!(asking.verify_answer(&header, &code, message, details).is_err());
        }
        for at in 0..header.len() {
            let mut changed = header.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(asking.verify_answer(&changed, &code, b"no such hold", b"x").is_err(), "{changed}");
        }
        let (request, _) = asking.sign_request("n2", "/m", b"", NOW);
        assert!(asking.verify_answer(&request, &code, b"", b"").is_err());
    }

    #[test]
    fn the_form_of_older_releases_is_what_it_was() {
        let (asking, asked) = (credentials('a', "n1"), credentials('a', "n2"));
        // As a node of a release that understands levels up to 2 signs.
        let made = "Daybook-Node n1 1800000000000000 \
                    535248465d50699258640c291f154d612826bde73e4580e240ce2e295399f241";
        let header = asking.sign_old("/m", b"body", NOW);
        assert_eq!(header, made);
        let request = asked.look_at_old(&header, NOW).unwrap();
        assert_eq!((request.from, asked.verify_old(&request, "/m", b"body")), ("n1", Ok(())));
        for (other, path, body) in [('b', "/m", &b"body"[..]), ('a', "/n", b"body"), ('a', "/m", b"other")] {
            assert!(credentials(other, "n2").verify_old(&request, path, body).is_err());
        }
        assert!(asked.look_at_old(&header, later(SKEW_US_MAX + 1)).is_err());
        for nonsense in ["", "Bearer x", "Daybook-Node", "Daybook-Node n1 x y", "Daybook-Node n1 1800000000000000 3"] {
            assert!(asked.look_at_old(nonsense, NOW).is_err(), "{nonsense}");
        }
    }
}
