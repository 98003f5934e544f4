//! Inbox topics: any Kafka client puts commands on them; here they come in by the door like any other request.
//!
//! ```text
//! inbox topic --> [ partition: one record after the other ] --> door --> decided or refused --> commit
//!                          ^ later, the same record again <-- not now       |       |
//!                                                                  reply topic   <log>.inbox.rejected
//! ```
//!
//! | file | what it does |
//! | --- | --- |
//! | [`record`] | what a record asks for: method, encoding, id, from its headers |
//! | `attempt` | one record at the door: who asks, then the request; and whether trying again makes sense |
//! | `work` | a partition of an inbox topic, in order, until it is taken away |
//! | `reply` | the answer, on the topic that the record names |
//! | `reply_topics` | which topics answers may go to |
//! | `status` | how far this node has come, and what stands still |
//! | [`rejected`] | the list of what was not carried out, with reason and place |
//!
//! **Decided once.** The id of a command follows from the topic, the partition and the offset of its record, and from the
//! time at which the broker took it, unless the producer gives one. So a record may come any number of times.
//!
//! **Who asks.** The same tokens as at the door. A token must have been good when the broker took the record (the topic's
//! time is the broker's, which is checked), however long the record waited; its key must still be known.

mod attempt;
pub mod record;
pub mod rejected;
mod reply;
mod reply_topics;
mod status;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daybook_log::{BesideTopics, Inbox, InboxLeaving, InboxSettings, InboxTopics, KafkaOptions, LogError};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::http::App;

pub(crate) use reply_topics::ReplyTopics;
pub(crate) use status::InboxStatus;

/// The longest that an inbox topic may keep records: content lies there as it was sent, not sealed.
pub(crate) const RETENTION_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What every partition needs.
struct Shared {
    app: Arc<App>,
    topics: BesideTopics,
    rejected: String,
    reply_topics: ReplyTopics,
    status: Arc<InboxStatus>,
    /// Topics of replies that were there when it was last asked.
    known_topics: Mutex<BTreeMap<String, Instant>>,
}

/// The inbox of a node, open but not read yet.
pub(crate) struct OpenInbox {
    inbox: Inbox,
    topics: BesideTopics,
    rejected: String,
    reply_topics: ReplyTopics,
    stalled_after: Duration,
}

/// An inbox that is read.
pub(crate) struct ServedInbox {
    leaving: InboxLeaving,
    serving: JoinHandle<()>,
}

impl OpenInbox {
    /// Checks the topics, creates those that are missing, and joins the group of readers; `None` if there are none.
    pub(crate) async fn open(config: &Config, options: &KafkaOptions) -> Result<Option<Self>, LogError> {
        if config.inbox.topics.is_empty() {
            return Ok(None);
        }
        let topics = BesideTopics::connect(options.clone(), false)?;
        let rejected = rejected::topic(&options.name);
        topics.check(&rejected, 1, Some(rejected::RETENTION)).await?;
        let inbox = Inbox::open(options, &topics_of(config)).await?;
        // The configuration was checked.
        let reply_topics = ReplyTopics::parse(&config.inbox.reply_topic_prefix, &config.inbox.topics);
        let reply_topics = reply_topics.unwrap_or_default();
        Ok(Some(Self { inbox, topics, rejected, reply_topics, stalled_after: config.inbox.stalled_seconds }))
    }

    /// How its topics must be set up, and the name of the list of what was not carried out.
    pub(crate) fn settings(&self) -> (InboxSettings, String) {
        (self.inbox.settings(), self.rejected.clone())
    }

    /// Reads it from now on.
    pub(crate) fn serve(mut self, app: Arc<App>, status: Arc<InboxStatus>) -> ServedInbox {
        let leaving = self.inbox.leaving();
        status.stalled_after(self.stalled_after);
        let shared = Arc::new(Shared {
            app,
            topics: self.topics,
            rejected: self.rejected,
            reply_topics: self.reply_topics,
            status,
            known_topics: Mutex::default(),
        });
        ServedInbox { leaving, serving: tokio::spawn(serve(self.inbox, shared)) }
    }
}

/// The inbox topics of a configuration, and how they must be set up.
pub fn topics_of(config: &Config) -> InboxTopics {
    InboxTopics {
        names: config.inbox.topics.clone(),
        retention: config.inbox.retention_seconds,
        retention_max: RETENTION_MAX,
    }
}

impl ServedInbox {
    /// Reads no more: what was dealt with is committed, the partitions go to other nodes.
    pub(crate) async fn stop(self) {
        // Brokers that are away must not hold up the stop: at worst some records are looked at again.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.leaving.leave()).await;
        // It ends by itself once there are no partitions any more.
        if tokio::time::timeout(Duration::from_secs(2), self.serving).await.is_err() {
            tracing::warn!("the inbox was still being read at the stop");
        }
    }
}

/// One task for each partition that this node is given.
async fn serve(mut inbox: Inbox, shared: Arc<Shared>) {
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    let mut tasks = tokio::task::JoinSet::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            partition = inbox.next() => match partition {
                Some(partition) => {
                    tasks.spawn(work::work(partition, Arc::clone(&shared)));
                }
                None => break,
            },
            Some(_) = tasks.join_next() => {}
            _ = look.tick() => shared.status.look(&inbox),
        }
    }
    while tasks.join_next().await.is_some() {}
}
