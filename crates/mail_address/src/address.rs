//! One address (RFC 5322, section 3.4.1; obsolete forms: section 4.4).

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::token::{Token, Tokens, is_atext};
use crate::{ADDRESS_BYTES_MAX, NotAnAddress, domain};

/// A local part and a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Without quotes and escapes, in the letters it was written in.
    local: String,
    domain: Domain,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Domain {
    /// Without white space and comments, in the letters it was written in.
    Name(String),
    /// What stands between the brackets.
    Literal(String),
}

/// How closely RFC 5322 is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// To the letter.
    Strict,
    /// As mail programs do: dots anywhere in a local part, one dot after the domain, apostrophes around the address.
    Lenient,
}

impl Address {
    /// Reads a text that is one address and nothing else: `addr-spec`, with comments and white space where RFC 5322
    /// permits them.
    ///
    /// # Errors
    /// Why it is not one.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        Self::read(text, Grammar::Strict)
    }

    /// The same for what mail programs write: dots at any place of the local part, as some Japanese providers gave out,
    /// one dot after the domain, apostrophes around the whole.
    ///
    /// # Errors
    /// Why it is not one.
    pub fn parse_lenient(text: &str) -> Result<Self, NotAnAddress> {
        Self::read(text, Grammar::Lenient)
    }

    fn read(text: &str, grammar: Grammar) -> Result<Self, NotAnAddress> {
        // A text so long is not one, and need not be taken apart. Comments may make it longer than an address can be.
        if text.len() > 8 * ADDRESS_BYTES_MAX {
            return Err(NotAnAddress::TooLong);
        }
        let tokens: Vec<_> = Tokens::of(text).filter(|(token, _)| !matches!(token, Token::Comment(_))).collect();
        Self::of_tokens(&tokens, grammar, &|_| None)
    }

    /// The address that tokens without comments make.
    pub(crate) fn of_tokens(
        tokens: &[(Token<'_>, bool)],
        grammar: Grammar,
        decode: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, NotAnAddress> {
        for (token, _) in tokens {
            match token {
                Token::Stray(c @ ('"' | '(' | '[')) => return Err(NotAnAddress::NotClosed(*c)),
                Token::Stray(c) if c.is_control() => return Err(NotAnAddress::Control),
                Token::Stray(c) | Token::Special(c @ ('<' | '>' | ',' | ';' | ':')) => {
                    return Err(NotAnAddress::Misplaced(*c));
                }
                _ => {}
            }
        }
        let mut ats = tokens.iter().enumerate().filter(|(_, (token, _))| *token == Token::Special('@'));
        let at = match (ats.next(), ats.next()) {
            (_, Some(_)) => return Err(NotAnAddress::SeveralAts),
            (Some((at, _)), None) => at,
            (None, None) if tokens.is_empty() => return Err(NotAnAddress::Empty),
            (None, None) => return Err(NotAnAddress::NoAt),
        };
        let (local, domain) = (&tokens[..at], &tokens[at + 1..]);
        if local.is_empty() {
            return Err(NotAnAddress::NothingBeforeAt);
        }
        let local = local_part(local, grammar, decode)?;
        Self::of_parts(local, domain_of(domain, grammar)?, grammar)
    }

    fn of_parts(mut local: String, mut domain: Domain, grammar: Grammar) -> Result<Self, NotAnAddress> {
        if let (Grammar::Lenient, Domain::Name(name)) = (grammar, &mut domain)
            // No domain has an apostrophe: these are quotes.
            && let (Some(inner), Some(inner_name)) = (local.strip_prefix('\''), name.strip_suffix('\''))
        {
            (local, *name) = (inner.to_owned(), inner_name.to_owned());
        }
        if local.trim().is_empty() {
            return Err(NotAnAddress::NothingBeforeAt);
        }
        let (Domain::Name(text) | Domain::Literal(text)) = &domain;
        if text.trim().is_empty() {
            return Err(NotAnAddress::NothingAfterAt);
        }
        let is_control = |c: char| c.is_control() && c != '\t';
        if local.chars().any(is_control) || text.chars().any(is_control) {
            return Err(NotAnAddress::Control);
        }
        if local.len() + text.len() >= ADDRESS_BYTES_MAX {
            return Err(NotAnAddress::TooLong);
        }
        Ok(Self { local, domain })
    }

    /// The local part, without quotes and escapes.
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// The one form in which addresses are compared: small letters, compatible forms of characters as one (NFKC), quotes
    /// only where they are needed, the domain as A-labels.
    pub fn canonical(&self) -> String {
        let domain = match &self.domain {
            Domain::Name(name) => domain::a_labels(name),
            Domain::Literal(content) => domain::literal(content),
        };
        format!("{}@{domain}", quoted(&compared(&self.local)))
    }

    /// The same with the domain as U-labels.
    pub fn canonical_unicode(&self) -> String {
        let domain = match &self.domain {
            Domain::Name(name) => domain::u_labels(name),
            Domain::Literal(content) => domain::literal(content),
        };
        format!("{}@{domain}", quoted(&compared(&self.local)))
    }
}

/// The address as mail has it, in the letters that it was written in.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Domain::Name(name) => write!(f, "{}@{name}", quoted(&self.local)),
            Domain::Literal(content) => write!(f, "{}@[{}]", quoted(&self.local), content.trim()),
        }
    }
}

/// The words of a local part. Words with white space between them instead of dots are one local part with spaces: some
/// programs do not quote it.
fn local_part(
    tokens: &[(Token<'_>, bool)],
    grammar: Grammar,
    decode: &dyn Fn(&str) -> Option<String>,
) -> Result<String, NotAnAddress> {
    let mut local = String::new();
    let mut after_word = false;
    for (token, spaced) in tokens {
        if *token == Token::Special('.') {
            if grammar == Grammar::Strict && !after_word {
                return Err(NotAnAddress::Dots);
            }
            local.push('.');
            after_word = false;
            continue;
        }
        if after_word {
            if grammar == Grammar::Strict || !spaced {
                return Err(NotAnAddress::SeveralWords);
            }
            local.push(' ');
        }
        match token {
            Token::Atom(text) => local.push_str(text),
            Token::Quoted(text) => local.push_str(text),
            Token::Encoded(text) => local.push_str(&decode(text).unwrap_or_else(|| (*text).to_owned())),
            Token::Literal(_) => return Err(NotAnAddress::Misplaced('[')),
            Token::Special(c) | Token::Stray(c) => return Err(NotAnAddress::Misplaced(*c)),
            Token::Comment(_) => {}
        }
        after_word = true;
    }
    if grammar == Grammar::Strict && !after_word { Err(NotAnAddress::Dots) } else { Ok(local) }
}

fn domain_of(tokens: &[(Token<'_>, bool)], grammar: Grammar) -> Result<Domain, NotAnAddress> {
    let tokens = match tokens {
        [rest @ .., (Token::Special('.'), _)] if grammar == Grammar::Lenient => rest,
        tokens => tokens,
    };
    match tokens {
        [] => return Err(NotAnAddress::NothingAfterAt),
        [(Token::Literal(content), _)] => return Ok(Domain::Literal(content.clone())),
        _ => {}
    }
    let mut name = String::new();
    let mut after_label = false;
    for (token, _) in tokens {
        match token {
            Token::Special('.') if after_label => name.push('.'),
            Token::Special('.') => return Err(NotAnAddress::Dots),
            _ if after_label => return Err(NotAnAddress::SeveralWords),
            Token::Atom(text) | Token::Encoded(text) => name.push_str(text),
            Token::Quoted(_) => return Err(NotAnAddress::Misplaced('"')),
            Token::Literal(_) => return Err(NotAnAddress::Misplaced('[')),
            Token::Special(c) | Token::Stray(c) => return Err(NotAnAddress::Misplaced(*c)),
            Token::Comment(_) => continue,
        }
        after_label = *token != Token::Special('.');
    }
    if after_label { Ok(Domain::Name(name)) } else { Err(NotAnAddress::Dots) }
}

/// A local part as it is compared. Compatible forms of characters are one, unless that would make a special character: a
/// fullwidth quotation mark is none.
fn compared(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    let specials = |text: &str| text.chars().filter(|&c| c.is_ascii() && !is_atext(c) && c != '.').count();
    let compatible = local.nfkc().collect::<String>().to_lowercase().nfkc().collect::<String>();
    let composed = local.nfc().collect::<String>().to_lowercase().nfc().collect::<String>();
    if specials(&compatible) == specials(&composed) { compatible } else { composed }
}

/// A local part in quotes if it needs them.
fn quoted(local: &str) -> String {
    if local.chars().all(|c| is_atext(c) || c == '.') {
        return local.to_owned();
    }
    let mut text = String::with_capacity(local.len() + 2);
    text.push('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, NotAnAddress> {
        Address::parse(text).map(|address| address.canonical())
    }

    #[test]
    fn every_form_of_rfc_5322() {
        for (text, expected) in [
            ("maria@example.com", "maria@example.com"),
            (" Maria.Keller@Example.COM\r\n ", "maria.keller@example.com"),
            ("maria @ example.com", "maria@example.com"),
            ("maria . keller @ example . com", "maria.keller@example.com"),
            (
                "maria(a (nested) comment)@(another)example.com(and (a)) last)one)",
                "!has a \")\" where an address cannot have one",
            ),
            ("maria(a (nested) comment)@(another)example.com(and a last one)", "maria@example.com"),
            ("\"maria\"@example.com", "maria@example.com"),
            ("\"maria\".keller@example.com", "maria.keller@example.com"),
            ("\"maria.keller\"@example.com", "maria.keller@example.com"),
            ("\"john doe\"@example.com", "\"john doe\"@example.com"),
            ("\"Maria Keller/HR/ACME\"@notes.example.com", "\"maria keller/hr/acme\"@notes.example.com"),
            (
                "\"CN=Maria Keller/OU=HR/O=ACME\"@notes.example.com",
                "\"cn=maria keller/ou=hr/o=acme\"@notes.example.com",
            ),
            ("CN=Maria/O=ACME@notes.example.com", "cn=maria/o=acme@notes.example.com"),
            ("\"a\\\"b\\\\c\\d\"@example.com", "\"a\\\"b\\\\cd\"@example.com"),
            ("\"a@b\"@example.com", "\"a@b\"@example.com"),
            ("\"a..b\"@example.com", "a..b@example.com"),
            ("maria@[192.0.2.1]", "maria@[192.0.2.1]"),
            ("maria@[IPv6:2001:DB8::1]", "maria@[ipv6:2001:db8::1]"),
            ("maria@bücher.example", "maria@xn--bcher-kva.example"),
            ("maria@XN--BCHER-KVA.example", "maria@xn--bcher-kva.example"),
            ("jörg@example.com", "jörg@example.com"),
            ("jo\u{308}rg@example.com", "jörg@example.com"),
            ("ｍaria@example.com", "maria@example.com"),
            ("maria@localhost", "maria@localhost"),
            ("#!$%&'*+-/=?^_`{}|~@example.com", "#!$%&'*+-/=?^_`{}|~@example.com"),
        ] {
            let found = canonical(text).unwrap_or_else(|reason| format!("!{reason}"));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_an_address_and_why() {
        for (text, reason) in [
            ("", NotAnAddress::Empty),
            ("(only a comment)", NotAnAddress::Empty),
            ("maria", NotAnAddress::NoAt),
            ("@example.com", NotAnAddress::NothingBeforeAt),
            ("\"\"@example.com", NotAnAddress::NothingBeforeAt),
            ("\" \"@example.com", NotAnAddress::NothingBeforeAt),
            ("maria@", NotAnAddress::NothingAfterAt),
            ("maria@[]", NotAnAddress::NothingAfterAt),
            ("a@b@example.com", NotAnAddress::SeveralAts),
            ("maria keller@example.com", NotAnAddress::SeveralWords),
            ("maria@example com", NotAnAddress::SeveralWords),
            ("Maria Keller <maria@example.com>", NotAnAddress::Misplaced('<')),
            ("mailto:maria@example.com", NotAnAddress::Misplaced(':')),
            ("maria@example,com", NotAnAddress::Misplaced(',')),
            ("a@example.com, b@example.com", NotAnAddress::Misplaced(',')),
            ("maria@\"example\".com", NotAnAddress::Misplaced('"')),
            (".maria@example.com", NotAnAddress::Dots),
            ("maria.@example.com", NotAnAddress::Dots),
            ("ma..ria@example.com", NotAnAddress::Dots),
            ("maria@example..com", NotAnAddress::Dots),
            ("maria@.example.com", NotAnAddress::Dots),
            ("maria@example.com.", NotAnAddress::Dots),
            ("\"maria@example.com", NotAnAddress::NotClosed('"')),
            ("maria(@example.com", NotAnAddress::NotClosed('(')),
            ("maria@[192.0.2.1", NotAnAddress::NotClosed('[')),
            ("maria)@example.com", NotAnAddress::Misplaced(')')),
            ("ma\0ria@example.com", NotAnAddress::Control),
            ("\"ma\u{1b}ria\"@example.com", NotAnAddress::Control),
        ] {
            assert_eq!(Address::parse(text), Err(reason), "{text}");
        }
        let long = format!("{}@example.com", "x".repeat(ADDRESS_BYTES_MAX));
        assert_eq!(Address::parse(&long), Err(NotAnAddress::TooLong));
    }

    #[test]
    fn what_mail_programs_write_all_the_same() {
        let canonical = |text: &str| Address::parse_lenient(text).map(|address| address.canonical());
        for (text, expected) in [
            ("a..b.@docomo.example", "a..b.@docomo.example"),
            ("maria@example.com.", "maria@example.com"),
            ("'maria@example.com'", "maria@example.com"),
            ("o'neil@example.com", "o'neil@example.com"),
            ("john smith@example.com", "\"john smith\"@example.com"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["@example.com", "'@example.com'", "a@b@c", "\"a\"b@example.com", "maria@example..com"] {
            assert!(canonical(text).is_err(), "{text}: {:?}", canonical(text));
        }
    }

    #[test]
    fn compatible_characters_do_not_become_special_ones() {
        let canonical = |text: &str| canonical(text).unwrap();
        assert_ne!(canonical("a\u{ff20}b@example.com"), canonical("\"a@b\"@example.com"));
        assert_ne!(canonical("a\u{ff02}b@example.com"), canonical("\"a\\\"b\"@example.com"));
    }

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        let shown = |text: &str| Address::parse(text).unwrap().to_string();
        assert_eq!(shown("\"Maria\" @ Bücher.Example"), "Maria@Bücher.Example");
        assert_eq!(shown("\"John Doe\"@[ 192.0.2.1 ]"), "\"John Doe\"@[192.0.2.1]");
        assert_eq!(Address::parse("eva@xn--bcher-kva.example").unwrap().canonical_unicode(), "eva@bücher.example");
    }
}
