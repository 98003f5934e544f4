//! What stands on the keyed log.
//!
//! | record key | value |
//! | --- | --- |
//! | `key/<tenant>/<key id>/<maker>` | the wrapped key, as every ring stores it (`row.rs`) |
//! | `gone/<tenant>/<key id>/<maker>` | when the key was destroyed, and whether there was one; stays for ever |
//! | `check/<maker>` | a known text under the master key |
//!
//! A maker is 16 random bytes in hexadecimal, new for every record. Two nodes that make the same key at once so write
//! records with different keys, and compaction keeps both: it can never keep the second in place of the first.

use std::fmt;

use daybook_kernel::id::TenantId;

use super::super::KeyId;
use crate::PrivacyError;
use crate::cipher::random;

/// A key of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) tenant: TenantId,
    pub(super) id: KeyId,
}

impl Name {
    pub(super) fn new(tenant: &TenantId, id: &KeyId) -> Self {
        Self { tenant: tenant.clone(), id: id.clone() }
    }
}

/// Tells records about the same thing apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Maker([u8; 16]);

impl Maker {
    pub(super) fn new() -> Result<Self, PrivacyError> {
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The key of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordKey {
    Key(Name, Maker),
    Gone(Name, Maker),
    Check(Maker),
}

impl RecordKey {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        // From the end: a key id may hold slashes, a maker does not.
        let (what, maker) = text.rsplit_once('/')?;
        let maker = Maker::parse(maker)?;
        if what == "check" {
            return Some(Self::Check(maker));
        }
        let (kind, rest) = what.split_once('/')?;
        let (tenant, id) = rest.split_once('/')?;
        let name = Name { tenant: TenantId::parse(tenant).ok()?, id: KeyId::from_log(id) };
        match kind {
            "key" => Some(Self::Key(name, maker)),
            "gone" => Some(Self::Gone(name, maker)),
            _ => None,
        }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(Name { tenant, id }, maker) => write!(f, "key/{tenant}/{id}/{maker}"),
            Self::Gone(Name { tenant, id }, maker) => write!(f, "gone/{tenant}/{id}/{maker}"),
            Self::Check(maker) => write!(f, "check/{maker}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_key_is_read_as_it_was_written() {
        let name = |id: &str| Name { tenant: TenantId::parse("acme").unwrap(), id: KeyId::from_log(id) };
        let maker = Maker::new().unwrap();
        for key in [
            RecordKey::Key(name("item/mail-1"), maker),
            RecordKey::Key(name("item/with/slashes/"), maker),
            RecordKey::Gone(name("tenant/pseudonyms"), maker),
            RecordKey::Gone(name(""), Maker([0; 16])),
            RecordKey::Check(maker),
        ] {
            assert_eq!(RecordKey::parse(key.to_string().as_bytes()), Some(key));
        }
    }

    #[test]
    fn the_bytes_of_a_record_key_are_frozen() {
        let name = Name { tenant: TenantId::parse("acme").unwrap(), id: KeyId::item("mail-1") };
        let maker = Maker([0xa5; 16]);
        let hex = "a5".repeat(16);
        assert_eq!(RecordKey::Key(name.clone(), maker).to_string(), format!("key/acme/item/mail-1/{hex}"));
        assert_eq!(RecordKey::Gone(name, maker).to_string(), format!("gone/acme/item/mail-1/{hex}"));
        assert_eq!(RecordKey::Check(maker).to_string(), format!("check/{hex}"));
    }

    #[test]
    fn what_is_no_record_key_is_told() {
        let hex = "a5".repeat(16);
        for other in [
            "".to_owned(),
            "key/acme/item/mail-1".to_owned(),
            format!("key/acme/{hex}"),
            format!("key/ACME/item/{hex}"),
            format!("other/acme/item/{hex}"),
            format!("check/{}", &hex[1..]),
            format!("check/+{}", &hex[1..]),
            format!("check/x/{hex}"),
        ] {
            assert_eq!(RecordKey::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(RecordKey::parse(&[255; 40]), None);
    }
}
