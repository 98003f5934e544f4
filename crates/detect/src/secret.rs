//! Credentials: in URLs, as JSON Web Tokens, as keys to services.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Kind;
use super::context::Context;

/// What follows the beginning of a key.
enum Rest {
    /// Exactly so many letters and digits; also `_` and `-`.
    Exactly(usize),
    /// So many at least.
    AtLeast(usize),
    /// Exactly so many upper-case letters and digits.
    Upper(usize),
    /// Exactly so many hexadecimal digits.
    Hex(usize),
}

/// Keys that say what they are by how they begin, as those who give them out document it.
const PREFIXES: &[(&str, Rest)] = &[
    // Amazon Web Services
    ("AKIA", Rest::Upper(16)),
    ("ASIA", Rest::Upper(16)),
    ("AROA", Rest::Upper(16)),
    ("AIDA", Rest::Upper(16)),
    // Google
    ("AIza", Rest::Exactly(35)),
    ("GOCSPX-", Rest::Exactly(28)),
    ("ya29.", Rest::AtLeast(20)),
    // GitHub, GitLab
    ("ghp_", Rest::Exactly(36)),
    ("gho_", Rest::Exactly(36)),
    ("ghu_", Rest::Exactly(36)),
    ("ghs_", Rest::Exactly(36)),
    ("ghr_", Rest::Exactly(36)),
    ("github_pat_", Rest::AtLeast(60)),
    ("glpat-", Rest::AtLeast(20)),
    // Slack
    ("xoxb-", Rest::AtLeast(20)),
    ("xoxp-", Rest::AtLeast(20)),
    ("xoxa-", Rest::AtLeast(20)),
    ("xoxr-", Rest::AtLeast(20)),
    ("xoxs-", Rest::AtLeast(20)),
    ("xapp-", Rest::AtLeast(20)),
    // Stripe
    ("sk_live_", Rest::AtLeast(24)),
    ("sk_test_", Rest::AtLeast(24)),
    ("rk_live_", Rest::AtLeast(24)),
    ("whsec_", Rest::AtLeast(32)),
    // Models
    ("sk-ant-", Rest::AtLeast(32)),
    ("sk-proj-", Rest::AtLeast(32)),
    ("sk-", Rest::AtLeast(40)),
    ("hf_", Rest::AtLeast(34)),
    // Packages
    ("npm_", Rest::Exactly(36)),
    ("pypi-", Rest::AtLeast(60)),
    // Others
    ("SG.", Rest::AtLeast(60)),
    ("dop_v1_", Rest::Hex(64)),
    ("shpat_", Rest::Hex(32)),
    ("AC", Rest::Hex(32)),
    ("SK", Rest::Hex(32)),
    ("hvs.", Rest::AtLeast(24)),
];

/// The first characters of all of them: most words have another.
const BEGINNINGS: [bool; 256] = {
    let mut beginnings = [false; 256];
    let mut at = 0;
    while at < PREFIXES.len() {
        beginnings[PREFIXES[at].0.as_bytes()[0] as usize] = true;
        at += 1;
    }
    beginnings
};

/// Words before a value that nobody may read.
const WORDS: &[&str] = &[
    "api_key",
    "apikey",
    "api-key",
    "api key",
    "secret",
    "access_token",
    "accesstoken",
    "access token",
    "auth_token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "private_key",
    "bearer",
];

/// What is longer is no key.
const LENGTH_MAX: usize = 512;
/// Fewest characters of a value that only such a word gives away.
const UNNAMED_MIN: usize = 16;

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// A secret that was found.
pub(super) struct Secret {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    /// By its form, and not by a word nearby.
    pub(super) is_named: bool,
}

/// The secret that begins at the beginning of a word.
pub(super) fn from(text: &[u8], start: usize, context: Context<'_>) -> Option<Secret> {
    let begins = start.checked_sub(1).is_none_or(|before| !is_key_byte(text[before]));
    if begins
        && text[start..].starts_with(b"eyJ")
        && let Some(end) = jwt(text, start)
    {
        return Some(Secret { kind: Kind::Jwt, range: start..end, is_named: true });
    }
    let length =
        |from: usize, is: fn(u8) -> bool| text[from..].iter().take(LENGTH_MAX).take_while(|byte| is(**byte)).count();
    let prefixes = if BEGINNINGS[usize::from(text[start])] { PREFIXES } else { &[] };
    for (prefix, rest) in prefixes {
        if !text[start..].starts_with(prefix.as_bytes()) {
            continue;
        }
        let from = start + prefix.len();
        // Keys have dots in them, too; one at the end is that of the sentence.
        let all = length(from, |byte| is_key_byte(byte) || byte == b'.');
        let all = all - text[from..from + all].iter().rev().take_while(|byte| **byte == b'.').count();
        let fits = match rest {
            Rest::Exactly(count) => length(from, is_key_byte) == *count,
            Rest::AtLeast(least) => all >= *least,
            Rest::Upper(count) => {
                length(from, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) == *count && all == *count
            }
            Rest::Hex(count) => length(from, |byte| byte.is_ascii_hexdigit()) == *count && all == *count,
        };
        if fits {
            return Some(Secret { kind: Kind::ApiKey, range: start..from + all, is_named: true });
        }
    }
    // Without a name: long, of letters and digits, and a word says that it is one.
    let all = length(start, is_key_byte);
    let key = &text[start..start + all];
    let is_mixed = key.iter().any(u8::is_ascii_digit) && key.iter().any(u8::is_ascii_alphabetic);
    let is_one = begins && all >= UNNAMED_MIN && is_mixed && context.says(start, WORDS);
    is_one.then_some(Secret { kind: Kind::ApiKey, range: start..start + all, is_named: false })
}

/// Where a token ends: two parts that are JSON, a signature.
fn jwt(text: &[u8], start: usize) -> Option<usize> {
    let mut parts = 0;
    let mut end = start;
    loop {
        let length = text[end..].iter().take_while(|byte| is_key_byte(**byte)).count();
        let part = &text[end..end + length];
        let is_json =
            || URL_SAFE_NO_PAD.decode(part).is_ok_and(|json| json.starts_with(b"{\"") && json.ends_with(b"}"));
        if parts < 2 && !is_json() {
            return None;
        }
        parts += 1;
        end += length;
        if parts == 3 {
            return Some(end);
        }
        if text.get(end) != Some(&b'.') {
            return None;
        }
        end += 1;
    }
}

/// Name and password in a URL whose `://` is at a place; from the scheme to the at sign.
pub(super) fn url_credentials(text: &[u8], at: usize) -> Option<Range<usize>> {
    let scheme =
        text[..at].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte)).count();
    let authority = &text[at + 3..];
    let length =
        authority.iter().take_while(|byte| !byte.is_ascii_whitespace() && !b"/?#\"'<>`\\".contains(byte)).count();
    let sign = authority[..length].iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..sign].iter().position(|byte| *byte == b':')?;
    (scheme > 0 && colon + 1 < sign && sign + 1 < length).then_some(at - scheme..at + 3 + sign + 1)
}

/// Where the block of a private key ends (RFC 7468), whose first line begins at a place.
pub(super) fn private_key(text: &[u8], start: usize) -> Option<usize> {
    let line = &text[start..(start + 64).min(text.len())];
    if !line.starts_with(b"-----BEGIN ") {
        return None;
    }
    let label = line.windows(16).position(|window| window == b"PRIVATE KEY-----")?;
    let end = b"-----END ";
    let body = start + label + 16;
    let last = text[body..].windows(end.len()).position(|window| window == end);
    Some(last.map_or(text.len(), |at| {
        let from = body + at + end.len();
        from + text[from..].iter().position(|byte| *byte == b'\n').unwrap_or(text.len() - from)
    }))
}
