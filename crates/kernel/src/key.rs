//! How keys are written as bytes. The one place for it: encodings are big-endian and order-preserving, so that the
//! order of the bytes is the order of the values.
//!
//! | type | bytes |
//! | --- | --- |
//! | `u8`, `u16`, `u32`, `u64` | big-endian |
//! | `i64` | big-endian with the sign bit flipped |
//! | `[u8; 16]`, `[u8; 32]` | as they are |
//! | `String` | UTF-8 with each `00` written `00 ff`, then `00 00` |
//!
//! A key is `tenant, table kind (u16), fields`. The bytes never change: a store and its backups outlive a release.

/// A key that cannot be decoded: the store is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key of a table cannot be decoded")]
pub struct MalformedKey;

/// A value that can stand in a key.
pub trait KeyPart: Sized {
    /// The form in which it is handed in.
    type Ref<'a>: Copy;
    /// Writes it.
    fn put(value: Self::Ref<'_>, out: &mut Vec<u8>);
    /// Reads it off the front.
    fn take(input: &mut &[u8]) -> Result<Self, MalformedKey>;
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl KeyPart for $type {
            type Ref<'a> = $type;
            fn put(value: $type, out: &mut Vec<u8>) {
                out.extend_from_slice(&value.to_be_bytes());
            }
            fn take(input: &mut &[u8]) -> Result<Self, MalformedKey> {
                let (bytes, rest) = input.split_first_chunk().ok_or(MalformedKey)?;
                *input = rest;
                Ok(<$type>::from_be_bytes(*bytes))
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

impl KeyPart for i64 {
    type Ref<'a> = i64;
    fn put(value: i64, out: &mut Vec<u8>) {
        u64::put(value.cast_unsigned() ^ (1 << 63), out);
    }
    fn take(input: &mut &[u8]) -> Result<Self, MalformedKey> {
        Ok((u64::take(input)? ^ (1 << 63)).cast_signed())
    }
}

impl<const N: usize> KeyPart for [u8; N] {
    type Ref<'a> = &'a [u8; N];
    fn put(value: &[u8; N], out: &mut Vec<u8>) {
        out.extend_from_slice(value);
    }
    fn take(input: &mut &[u8]) -> Result<Self, MalformedKey> {
        let (bytes, rest) = input.split_first_chunk().ok_or(MalformedKey)?;
        *input = rest;
        Ok(*bytes)
    }
}

impl KeyPart for String {
    type Ref<'a> = &'a str;
    fn put(value: &str, out: &mut Vec<u8>) {
        let mut pieces = value.as_bytes().split(|byte| *byte == 0);
        out.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            out.extend_from_slice(&[0, 0xff]);
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(&[0, 0]);
    }
    fn take(input: &mut &[u8]) -> Result<Self, MalformedKey> {
        let mut bytes = Vec::new();
        loop {
            match **input {
                [0, 0, ..] => {
                    *input = &input[2..];
                    return String::from_utf8(bytes).map_err(|_| MalformedKey);
                }
                [0, 0xff, ..] => {
                    bytes.push(0);
                    *input = &input[2..];
                }
                [0, ..] | [] => return Err(MalformedKey),
                [..] => {
                    let piece = input.iter().position(|byte| *byte == 0).ok_or(MalformedKey)?;
                    bytes.extend_from_slice(&input[..piece]);
                    *input = &input[piece..];
                }
            }
        }
    }
}

/// The fields of a key after tenant and table kind: a tuple of up to four parts.
pub trait Key: Sized {
    /// The form in which it is handed in.
    type Ref<'a>: Copy;
    /// Writes the fields.
    fn put(key: Self::Ref<'_>, out: &mut Vec<u8>);
    /// Reads the fields; nothing may be left over.
    fn take(input: &[u8]) -> Result<Self, MalformedKey>;
}

/// The first fields of a key, for scanning.
pub trait Prefix<K: Key>: Copy {
    /// Writes the fields.
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! keys {
    ($($name:ident $value:ident),* ; $(($($pname:ident $pvalue:ident),*)),*) => {
        impl<$($name: KeyPart),*> Key for ($($name,)*) {
            type Ref<'a> = ($($name::Ref<'a>,)*);
            fn put(key: Self::Ref<'_>, out: &mut Vec<u8>) {
                let ($($value,)*) = key;
                $($name::put($value, out);)*
                let _ = out;
            }
            fn take(input: &[u8]) -> Result<Self, MalformedKey> {
                let mut rest = input;
                let rest = &mut rest;
                let key = ($($name::take(rest)?,)*);
                if rest.is_empty() { Ok(key) } else { Err(MalformedKey) }
            }
        }
    };
}
keys!(;);
keys!(A a;);
keys!(A a, B b;);
keys!(A a, B b, C c;);
keys!(A a, B b, C c, D d;);

/// Every row of a table.
#[derive(Debug, Clone, Copy)]
pub struct All;

impl<K: Key> Prefix<K> for All {
    fn put(self, _: &mut Vec<u8>) {}
}

/// Rows whose key starts with one field.
#[derive(Debug, Clone, Copy)]
pub struct First<A>(pub A);

/// Rows whose key starts with two fields.
#[derive(Debug, Clone, Copy)]
pub struct First2<A, B>(pub A, pub B);

macro_rules! prefixes {
    ($($name:ident),*) => {
        impl<'a, A: KeyPart, $($name: KeyPart),*> Prefix<(A, $($name,)*)> for First<A::Ref<'a>> {
            fn put(self, out: &mut Vec<u8>) {
                A::put(self.0, out);
            }
        }
    };
}
prefixes!(B);
prefixes!(B, C);
prefixes!(B, C, D);

impl<'a, A: KeyPart, B: KeyPart, C: KeyPart> Prefix<(A, B, C)> for First2<A::Ref<'a>, B::Ref<'a>> {
    fn put(self, out: &mut Vec<u8>) {
        A::put(self.0, out);
        B::put(self.1, out);
    }
}

impl<'a, A: KeyPart, B: KeyPart, C: KeyPart, D: KeyPart> Prefix<(A, B, C, D)> for First2<A::Ref<'a>, B::Ref<'a>> {
    fn put(self, out: &mut Vec<u8>) {
        A::put(self.0, out);
        B::put(self.1, out);
    }
}

/// The first bytes after everything that starts with `prefix`; `None` when there are none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < 0xff {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes<K: Key>(key: K::Ref<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        K::put(key, &mut out);
        out
    }

    /// Part of the store's format.
    #[test]
    fn frozen() {
        assert_eq!(bytes::<(u8, u16, u32, u64)>((1, 2, 3, 4)), [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
        assert_eq!(bytes::<(i64, i64)>((0, -1)), [128, 0, 0, 0, 0, 0, 0, 0, 127, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(bytes::<(String, String)>(("a\0b", "")), [b'a', 0, 255, b'b', 0, 0, 0, 0]);
        assert_eq!(bytes::<([u8; 2],)>((&[7, 8],)), [7, 8]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(<(u32,)>::take(&[0, 0, 0]), Err(MalformedKey));
        assert_eq!(<(u8,)>::take(&[0, 0]), Err(MalformedKey), "left over");
        assert_eq!(<(String,)>::take(b"no end"), Err(MalformedKey));
        assert_eq!(<(String,)>::take(&[0, 7]), Err(MalformedKey));
        assert_eq!(<(String,)>::take(&[0xc3, 0, 0]), Err(MalformedKey), "no UTF-8");
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_bytes_is_the_order_of_values(
            a in (any::<String>(), any::<i64>(), any::<u32>()),
            b in (any::<String>(), any::<i64>(), any::<u32>()),
        ) {
            let (x, y) = (bytes::<(String, i64, u32)>((&a.0, a.1, a.2)), bytes::<(String, i64, u32)>((&b.0, b.1, b.2)));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(<(String, i64, u32)>::take(&x), Ok(a));
        }

        #[test]
        fn a_prefix_covers_its_rows_and_no_others(a in "[a-c\u{0}]{0,3}", b in "[a-c\u{0}]{0,3}", n in any::<u64>()) {
            let mut prefix = Vec::new();
            Prefix::<(String, u64)>::put(First(a.as_str()), &mut prefix);
            let key = bytes::<(String, u64)>((&b, n));
            let inside = key >= prefix && prefix_end(&prefix).is_none_or(|end| key < end);
            prop_assert_eq!(inside, a == b);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = <(String, u16, i64)>::take(&bytes);
        }
    }
}
