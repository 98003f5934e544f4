//! Values inside encodings.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The shortest text in base64 that is looked into: nine bytes of what is encoded.
pub(super) const BASE64_MIN: usize = 12;

/// What escaped bytes stand for; `None` if there are none, or the whole is no text.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let hex = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (mut decoded, mut at, mut escaped) = (Vec::with_capacity(bytes.len()), 0, false);
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                escaped = true;
                at += 3;
            }
            // As forms write a space.
            (b'+', ..) => {
                decoded.push(b' ');
                at += 1;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    escaped.then(|| String::from_utf8(decoded).ok()).flatten()
}

/// Whether a text can be base64, by its characters and their number.
pub(super) fn may_be_base64(text: &[u8]) -> bool {
    let unpadded = text.len() - text.iter().rev().take_while(|byte| **byte == b'=').count();
    unpadded >= BASE64_MIN
        && unpadded % 4 != 1
        && text.len() - unpadded <= 2
        && text[..unpadded].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte))
}

/// What stands in base64, if that is text.
pub(super) fn base64_decoded(text: &[u8]) -> Option<String> {
    let engine = if text.iter().any(|byte| b"-_".contains(byte)) { &URL_SAFE } else { &STANDARD };
    // Any word is base64 of something; of text it is only if somebody meant it so. The first bytes tell most of them.
    let mut first = [0; 9];
    engine.decode_slice(&text[..BASE64_MIN], &mut first).ok()?;
    if first.iter().any(|byte| is_control(*byte)) || first[0] & 0xC0 == 0x80 {
        return None;
    }
    let decoded = String::from_utf8(engine.decode(text).ok()?).ok()?;
    decoded.bytes().all(|byte| !is_control(byte)).then_some(decoded)
}

/// A byte that stands in no text.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !byte.is_ascii_whitespace()
}
