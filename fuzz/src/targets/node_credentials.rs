//! The Authorization header by which nodes tell each other from everybody else: the header,
//! a line feed, the body.

use daybook_kernel::time::Timestamp;
use daybook_privacy::MasterKey;
use daybook_server::Credentials;

use super::first_line;

const PATH: &str = "/daybook.cluster.v1.ClusterService/Decide";

pub(super) fn run(bytes: &[u8]) {
    let (header, body) = first_line(bytes);
    let header = String::from_utf8_lossy(header);
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let master = |digits: &str| MasterKey::from_hex(&digits.repeat(32)).expect("a key");
    let own = Credentials::new(&master("5a"), "n1");
    assert!(own.verify(&header, PATH, body, now).is_err(), "nobody guesses a code: {header}");
    let signed = own.sign(PATH, body, now);
    assert_eq!(own.verify(&signed, PATH, body, now).as_deref(), Ok("n1"));
    assert!(own.verify(&signed, "/other", body, now).is_err());
    assert!(own.verify(&signed, PATH, &[body, b"x"].concat(), now).is_err());
    assert!(Credentials::new(&master("a5"), "n1").verify(&signed, PATH, body, now).is_err());
}
