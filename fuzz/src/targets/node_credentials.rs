//! The headers by which nodes tell each other, and each other's answers, from everybody else: the header, a line feed, the
//! body.

use daybook_kernel::time::Timestamp;
use daybook_privacy::MasterKey;
use daybook_server::{AnswerParts, Body, Credentials};

use super::first_line;

const PATH: &str = "/daybook.cluster.v1.ClusterService/Decide";

pub(super) fn run(bytes: &[u8]) {
    let (header, body) = first_line(bytes);
    let header = String::from_utf8_lossy(header);
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let node =
        |digits: &str, id: &str| Credentials::new(&MasterKey::from_hex(&digits.repeat(32)).expect("a key"), id, now);
    let (own, other, stranger) = (node("5a", "n1"), node("5a", "n2"), node("a5", "n1"));

    assert!(own.verify_request(&header, PATH).is_err(), "nobody guesses a code: {header}");
    let (signed, code) = own.sign_request("n2", PATH, body, now);
    let request = other.verify_request(&signed, PATH).expect("its own code");
    assert_eq!((request.from.as_str(), request.to.as_str(), &request.body), ("n1", "n2", &Body::of(body)));
    assert!(request.check("n2", now).is_ok() && request.check("n1", now).is_err());
    assert!(other.verify_request(&signed, "/other").is_err());
    assert!(stranger.verify_request(&signed, PATH).is_err());

    assert!(own.verify_answer(&header, &code, body, b"").is_err(), "nobody guesses a code: {header}");
    let parts = AnswerParts { status: 5, message: body, details: b"" };
    let answer = other.sign_answer(&code, parts, body);
    assert_eq!(own.verify_answer(&answer, &code, body, b""), Ok((5, Body::of(body))));
    assert!(own.verify_answer(&answer, &code, &[body, b"x"].concat(), b"").is_err());
    assert!(stranger.verify_answer(&answer, &code, body, b"").is_err());

    if let Ok(old) = own.look_at_old(&header, now) {
        assert!(own.verify_old(&old, PATH, body).is_err(), "nobody guesses a code: {header}");
    }
    let signed = own.sign_old(PATH, body, now);
    let old = other.look_at_old(&signed, now).expect("its own form");
    assert_eq!((old.from, other.verify_old(&old, PATH, body)), ("n1", Ok(())));
    assert!(other.verify_old(&old, "/other", body).is_err());
    assert!(other.verify_old(&old, PATH, &[body, b"x"].concat()).is_err());
    assert!(stranger.verify_old(&old, PATH, body).is_err());
}
