//! The key ring that the nodes of a log on Kafka share: is it there, can every key be opened with the master key?

use daybook_log::{Compaction, KafkaKeyedLog, KafkaOptions, LogError};
use daybook_privacy::{EmbeddedKeyRing, SharedKeyRing};
use daybook_server::config::Config;
use daybook_server::data_dir::keys_folder;

use super::finding::{Finding, Report};
use super::keys::{look_for_master_key, missing, unusable};
use super::log::{Looked, Seen};

/// Looks at the ring on its topic, which is the same whether nodes run or not.
pub(super) async fn look(config: &Config, options: &KafkaOptions, log: &Looked, report: &mut Report) {
    let master = look_for_master_key(config, report);
    let folder = keys_folder(&config.node.data_dir);
    let older = EmbeddedKeyRing::is_there(&folder);
    if older {
        report.add(
            Finding::ok("key ring", format!("there is one of this node alone in {}", folder.display()))
                .means("the next start takes its keys over into the one that the nodes share, and deletes it"),
        );
    }
    let topic = format!("{}.keys", options.name);
    let has_records = match log {
        Looked::Seen(seen) => Seen::has_records(seen),
        Looked::NoneYet => false,
        Looked::Failed => {
            return report.add(
                Finding::warning("key ring", format!("topic {topic} was not looked at"))
                    .means("it is on the same brokers as the log, which could not be looked at")
                    .next("mend what is said of the log, and look again"),
            );
        }
    };
    let may_be_made = !has_records || config.keys.start_over || older;
    let none = |what: &str| {
        if may_be_made {
            return Finding::ok("key ring", format!("{what} yet")).means("the next start makes it");
        }
        missing(what, "put the topic back from a copy; check log.url and log.name")
    };
    let keyed = match KafkaKeyedLog::open_to_read(options.clone(), Compaction::default()).await {
        Ok(keyed) => keyed,
        Err(LogError::TopicMissing { .. }) => return report.add(none(&format!("there is no topic {topic}"))),
        Err(error) => {
            return report.add(
                Finding::problem("key ring", &error)
                    .code(error.code())
                    .means("a node does not start on it")
                    .next("mend what is wrong with the topic; its page says how it must be"),
            );
        }
    };
    report.add(match SharedKeyRing::inspect(&keyed, master.as_ref()).await {
        Ok(None) => none(&format!("topic {topic} holds no key ring")),
        Ok(Some(ring)) => {
            let found = format!("topic {topic}: {} keys, {} destroyed", ring.keys, ring.destroyed);
            if ring.master_key_fits {
                Finding::ok("key ring", format!("{found}; all can be opened, and the master key is its own"))
            } else {
                Finding::warning("key ring", format!("{found}; without a master key, nothing more can be said"))
                    .means("whether the keys can be opened is not known")
                    .next("give the master key and look again")
            }
        }
        Err(error) => unusable(&error, "keep a copy of the topic, then put it back from a good one"),
    });
}
