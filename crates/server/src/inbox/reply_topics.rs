//! Which topics answers may go to. A topic of answers belongs to a tenant, or to the producers of an inbox topic, by its
//! name: then what one producer asks for cannot have an answer put where the programs of another look for theirs.

use daybook_kernel::id::TenantId;

/// Stands for a tenant that the producer's token speaks for.
const TENANT: &str = "{tenant}";
/// Stands for the inbox topic that the record is on.
const INBOX: &str = "{inbox}";

/// Characters that end the name of a tenant: no tenant id has them.
const AFTER_TENANT: [char; 2] = ['.', '_'];

/// What the names of topics begin with on which answers may be asked for, with `{tenant}` or `{inbox}` in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReplyTopics(Option<String>);

impl ReplyTopics {
    /// Reads the setting; empty: there are no answers.
    ///
    /// # Errors
    /// What is wrong with it, when it would let a producer name a topic of others.
    pub(crate) fn parse(prefix: &str, inboxes: &[String]) -> Result<Self, String> {
        if prefix.is_empty() {
            return Ok(Self(None));
        }
        let count = |placeholder: &str| prefix.matches(placeholder).count();
        let bare = prefix.replace(TENANT, "").replace(INBOX, "");
        if count(TENANT) + count(INBOX) == 0 {
            return Err(format!(
                "must hold {TENANT} or {INBOX}, or a producer could have answers put on topics of other tenants; for \
                 example \"answers.{TENANT}.\""
            ));
        }
        if count(TENANT) > 1
            || count(INBOX) > 1
            || !bare.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        {
            return Err(format!(
                "must consist of letters, digits and . _ -, with {TENANT} and {INBOX} at most once each"
            ));
        }
        if let Some((before, after)) = prefix.split_once(TENANT) {
            if !after.starts_with(AFTER_TENANT) {
                return Err(format!("needs a . or _ after {TENANT}: else tenant a could name the topics of tenant ab"));
            }
            // With a fixed text before it, the name of a topic has one tenant in it; names of inboxes may hold dots.
            if before.contains(INBOX) {
                return Err(format!(
                    "must have {TENANT} before {INBOX}: else tenants of one inbox could name topics of another"
                ));
            }
        }
        let topics = Self(Some(prefix.to_owned()));
        let prefixes: Vec<_> = inboxes.iter().filter_map(|inbox| topics.prefix(inbox, TENANT)).collect();
        for (index, one) in prefixes.iter().enumerate() {
            let is_among = |(other, with): (usize, &String)| other != index && with.starts_with(one.as_str());
            if count(INBOX) > 0 && prefixes.iter().enumerate().any(is_among) {
                return Err(format!("does not tell the topics of inbox {} from those of another", inboxes[index]));
            }
        }
        Ok(topics)
    }

    /// Whether a record on an inbox topic, of somebody who speaks for these tenants, may be answered on a topic.
    pub(crate) fn allows<'a>(&self, topic: &str, inbox: &str, tenants: impl IntoIterator<Item = &'a str>) -> bool {
        let begins = |tenant: &str| self.prefix(inbox, tenant).is_some_and(|prefix| topic.starts_with(&prefix));
        // What the token's issuer calls a tenant need not be one.
        let mut tenants = tenants.into_iter().filter(|tenant| TenantId::parse(tenant).is_ok());
        match &self.0 {
            Some(prefix) if prefix.contains(TENANT) => tenants.any(begins),
            _ => begins(""),
        }
    }

    /// Whether a topic of this name could be one of answers, whatever the tenant.
    pub(crate) fn reaches(&self, topic: &str, inboxes: &[String]) -> bool {
        let Some(template) = &self.0 else { return false };
        let (before, after) = template.split_once(TENANT).unwrap_or((template, ""));
        inboxes.iter().any(|inbox| {
            let (before, after) = (before.replace(INBOX, inbox), after.replace(INBOX, inbox));
            topic.strip_prefix(&before).is_some_and(|rest| after.is_empty() || rest.contains(&after))
        })
    }

    fn prefix(&self, inbox: &str, tenant: &str) -> Option<String> {
        self.0.as_ref().map(|prefix| prefix.replace(INBOX, inbox).replace(TENANT, tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_topic_of_answers_belongs_to_a_tenant_of_the_token() {
        let topics = ReplyTopics::parse("answers.{tenant}.", &texts(&["in"])).unwrap();
        let allows = |topic: &str, tenants: &[&str]| topics.allows(topic, "in", tenants.iter().copied());
        assert!(allows("answers.acme.legal", &["acme"]));
        assert!(allows("answers.acme.", &["globex", "acme"]));
        for other in ["answers.globex.legal", "answers.acme", "answers.acme2.legal", "answers.", "x.acme.legal", ""] {
            assert!(!allows(other, &["acme"]), "{other}");
        }
        assert!(!allows("answers..legal", &[]), "a token without a tenant");
        // A tenant id has no dot, so no tenant is a beginning of another.
        assert!(!allows("answers.acme.legal.x", &["acme.legal"]), "such a tenant there cannot be");
    }

    #[test]
    fn a_topic_of_answers_can_belong_to_an_inbox() {
        let topics = ReplyTopics::parse("{inbox}-out.", &texts(&["orders", "people"])).unwrap();
        assert!(topics.allows("orders-out.x", "orders", []));
        assert!(!topics.allows("people-out.x", "orders", ["orders", "people"]));
        let both = ReplyTopics::parse("out.{tenant}_{inbox}.", &texts(&["orders", "people"])).unwrap();
        assert!(both.allows("out.acme_orders.1", "orders", ["acme"]));
        assert!(!both.allows("out.globex_orders.1", "orders", ["acme"]));
        assert!(!both.allows("out.acme_people.1", "orders", ["acme"]));
    }

    #[test]
    fn without_a_prefix_there_are_no_answers() {
        let none = ReplyTopics::parse("", &texts(&["in"])).unwrap();
        assert!(!none.allows("", "in", ["acme"]) && !none.allows("x", "in", ["acme"]));
    }

    #[test]
    fn a_prefix_that_binds_topics_to_nobody_is_refused() {
        for (prefix, inboxes) in [
            ("answers.", &["in"][..]),
            ("answers.{tenants}.", &["in"]),
            ("{tenant}", &["in"]),
            ("answers.{tenant}", &["in"]),
            ("answers.{tenant}x", &["in"]),
            ("answers.{tenant}-", &["in"]),
            ("answers.{tenant}.{tenant}.", &["in"]),
            ("answers {tenant}.", &["in"]),
            ("{inbox}.", &["orders", "orders.eu"]),
            ("{inbox}", &["orders", "orders2"]),
            ("{inbox}.{tenant}.", &["a", "a.b"]),
        ] {
            assert!(ReplyTopics::parse(prefix, &texts(inboxes)).is_err(), "{prefix}");
        }
    }

    #[test]
    fn what_a_prefix_can_reach_is_known() {
        let topics = ReplyTopics::parse("{tenant}.answers.", &texts(&["in"])).unwrap();
        assert!(topics.reaches("acme.answers.x", &texts(&["in"])));
        assert!(!topics.reaches("daybook.commands", &texts(&["in"])));
        let wide = ReplyTopics::parse("{tenant}.", &texts(&["in"])).unwrap();
        assert!(wide.reaches("daybook.commands", &texts(&["in"])), "there can be a tenant of this name");
    }
}
