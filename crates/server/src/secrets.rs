//! What of a configuration may be shown to people. Decided by what a value is, not by a list of names to hide: a setting
//! that is new, or misspelt, is not shown.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Stands where a value is not shown. A configuration that has it as a value was copied from what is shown.
pub const NOT_SHOWN: &str = "(secret, not shown)";

/// Settings of librdkafka whose values say how something is done or where a file lies. Of all others, passwords, keys and
/// tokens among them, only the name is shown.
const SHOWN: [&str; 12] = [
    "client.rack",
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.method",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.location",
];

/// Settings for librdkafka by their names. Shows and logs no value that could be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// The settings with their values: for the client library, and for nobody else.
    pub fn reveal(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Adds a setting.
    pub fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| {
            (name.as_str(), if SHOWN.contains(&name.as_str()) { value.as_str() } else { NOT_SHOWN })
        })
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for KafkaProperties {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.shown())
    }
}

impl<'de> Deserialize<'de> for KafkaProperties {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Properties;

        impl<'de> de::Visitor<'de> for Properties {
            type Value = KafkaProperties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings of librdkafka with their values as texts")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<KafkaProperties, A::Error> {
                let mut properties = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    // What is wrong with a value is told without the value.
                    let wrong = |why: &str| de::Error::custom(format!("{name:?}: {why}"));
                    let value = map.next_value::<Text>()?.0;
                    let value = value
                        .ok_or_else(|| wrong("the value must be a text, and a name with dots stands in quotes"))?;
                    if value == NOT_SHOWN {
                        return Err(wrong("the value is missing: this was copied from what `daybook config` shows"));
                    }
                    properties.insert(name, value);
                }
                Ok(KafkaProperties(properties))
            }
        }

        from.deserialize_map(Properties)
    }
}

/// A text; `None` for anything else, of which no error tells the value.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AnyText;

        impl<'de> de::Visitor<'de> for AnyText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
                while items.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }

        from.deserialize_any(AnyText)
    }
}

/// A text without the credentials that an address in it may hold: what stands before the `@`, and what is asked after a
/// `?`, where signatures and tokens are.
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (address, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], true),
        None => (rest, false),
    };
    let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{NOT_SHOWN}@{host}"),
        None => authority.to_owned(),
    };
    let query = if query { format!("?{NOT_SHOWN}") } else { String::new() };
    format!("{scheme}://{host}{path}{query}")
}

/// The same for every text in a table, however deep.
pub(crate) fn redact(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => *text = without_credentials(text),
        toml::Value::Array(items) => items.iter_mut().for_each(redact),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| redact(value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const MARK: &str = "hunter2-hunter2";

    #[test]
    fn addresses_are_shown_without_what_opens_them() {
        for (text, shown) in [
            ("https://idp.example.org/jwks", "https://idp.example.org/jwks"),
            ("https://ada:hunter2@idp.example.org/jwks", "https://(secret, not shown)@idp.example.org/jwks"),
            ("https://hunter2@idp", "https://(secret, not shown)@idp"),
            ("https://b.example.org/c?sig=hunter2", "https://b.example.org/c?(secret, not shown)"),
            ("kafka://a:9092,b:9092", "kafka://a:9092,b:9092"),
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("ada@example.org", "ada@example.org"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    /// Every text that a configuration can have, wherever it is, now and later.
    #[test]
    fn no_secret_that_a_configuration_can_hold_is_shown() {
        let mut table = toml::Table::try_from(Config::default()).unwrap();
        let mut filled = 0;
        for (_, section) in &mut table {
            for (_, value) in section.as_table_mut().unwrap() {
                let is_address = value.as_str().is_some_and(|text| text.parse::<std::net::SocketAddr>().is_ok());
                if value.is_str() && !is_address {
                    *value = toml::Value::String(format!("https://ada:{MARK}@host.example/path?sig={MARK}"));
                    filled += 1;
                }
            }
        }
        let mut config: Config = table.try_into().unwrap();
        assert!(filled > 10, "{filled}");
        for name in
            ["sasl.password", "sasl.pasword", "ssl.key.pem", "ssl.key.password", "sasl.jaas.config", "of.tomorrow"]
        {
            config.log.kafka_properties.insert(name, MARK);
        }
        config.log.kafka_properties.insert("security.protocol", "SASL_SSL");
        let shown = config.shown().unwrap();
        let told = format!("{shown} {:?}", config.log);
        let told = told.replace(&config.log.url, "");
        assert!(!shown.to_string().contains(MARK) && !told.contains(MARK), "{told}");
        assert!(told.contains("SASL_SSL") && told.contains("sasl.password") && told.contains("host.example/path"));
    }

    #[test]
    fn what_is_shown_is_no_configuration_to_start_from_and_a_mistake_is_told_without_its_value() {
        for (text, says) in [
            (format!("\"sasl.password\" = \"{NOT_SHOWN}\""), "copied"),
            ("\"sasl.password\" = 2222222".to_owned(), "must be a text"),
            ("sasl.password = \"hunter2\"".to_owned(), "in quotes"),
            ("\"sasl.password\" = [\"hunter2\"]".to_owned(), "must be a text"),
        ] {
            let error = toml::from_str::<KafkaProperties>(&text).unwrap_err();
            let told = error.message();
            assert!(told.contains(says) && !told.contains("2222222") && !told.contains("hunter2"), "{told}");
        }
        let good: KafkaProperties = toml::from_str("\"sasl.password\" = \"hunter2\"").unwrap();
        assert_eq!(good.reveal()["sasl.password"], "hunter2");
    }
}
