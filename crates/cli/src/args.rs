//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use daybook_kernel::hash::Hash;

use crate::units;

/// Daybook: every command on data, models and deployments written once, decided once under a named policy, and there to
/// be read again.
#[derive(Debug, Parser)]
#[command(name = "daybook", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Configuration file (TOML). Every key can also be set as DAYBOOK_SECTION__KEY; see `daybook config`
    #[arg(long, global = true, env = "DAYBOOK_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data folder of the node, in place of node.data_dir
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The node that is asked [default: where the configuration says it listens]
    #[arg(long, global = true, env = "DAYBOOK_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Bearer token. Without one, the key of a development node on this machine makes it
    #[arg(long, global = true, env = "DAYBOOK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Tenant [default: demo]
    #[arg(long, global = true, env = "DAYBOOK_TENANT", value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Development token: further tenants that it speaks for
    #[arg(long, global = true, value_name = "TENANT")]
    pub(crate) also_tenant: Vec<String>,
    /// Development token: who asks [default: you]
    #[arg(long = "as", global = true, env = "DAYBOOK_AS", value_name = "NAME")]
    pub(crate) as_user: Option<String>,
    /// Development token: in which role; may be given several times [default: all that ship]
    #[arg(long, global = true, value_name = "ROLE")]
    pub(crate) role: Vec<String>,
    /// Certificates of authorities to trust (PEM), beside the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Client certificate (PEM), for mutual TLS
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,
    /// JSON instead of tables, errors included
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node
    Serve(Serve),
    /// See a legal hold stop a deletion, with a real mailbox
    Demo(Demo),
    /// How the node stands
    Status(Status),
    /// Look at everything a node needs, without a node and without changing anything: what is wrong, what to do
    Doctor,
    /// Legal holds
    #[command(subcommand)]
    Hold(Hold),
    /// Governed items
    #[command(subcommand)]
    Item(Item),
    /// Retention classes
    #[command(subcommand)]
    Retention(Retention),
    /// Tenants
    #[command(subcommand)]
    Tenant(Tenant),
    /// Policy sets
    #[command(subcommand)]
    Policy(Policy),
    /// Stream keys that wait for an operator
    #[command(subcommand)]
    Stream(Stream),
    /// Commands that other programs put on inbox topics
    #[command(subcommand)]
    Inbox(Inbox),
    /// The log itself
    #[command(subcommand)]
    Log(Log),
    /// Read the log again
    #[command(subcommand)]
    Replay(Replay),
    /// Snapshots of the partitions' states in an object store
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Projections of the node
    #[command(subcommand)]
    Projection(Projection),
    /// What became of a command, by its id
    Outcome(OutcomeOf),
    /// What every node of the log must understand
    #[command(subcommand)]
    FeatureLevel(FeatureLevel),
    /// Move the log's clock forward (development nodes)
    Clock(Clock),
    /// Make a token with the key of a development node
    Token(Token),
    /// What an error code means, what was kept, what to do
    Explain(Explain),
    /// Every configuration key with its default
    Config(ShowConfig),
    /// Completions for a shell
    Completions(Completions),
}

/// Commands that other programs put on inbox topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Inbox {
    /// Records that were not carried out, with the reason and their place
    Rejected {
        /// How many of the latest
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u64,
        /// Go on with those that follow
        #[arg(long, short)]
        follow: bool,
    },
}

/// Run a node.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Development mode: the node makes its own tokens and keys and lets the clock be moved
    #[arg(long)]
    pub(crate) dev: bool,
    /// Listen here, in place of listen.address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Metrics and health here, in place of listen.metrics_address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// The log, in place of log.url: embedded, or kafka://host:port
    #[arg(long, value_name = "URL")]
    pub(crate) log: Option<String>,
    /// Write the addresses the node listens on to this file, once it is ready
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// See a legal hold stop a deletion.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Mailboxes to use, mbox or eml, in place of the one that ships
    #[arg(long, value_name = "PATH")]
    pub(crate) mail: Vec<PathBuf>,
    /// Whose mail is held [default: whoever wrote or got most of it]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) custodian: Option<String>,
    /// The log of the node that the demo starts when none is running: embedded, or kafka://host:port
    #[arg(long, value_name = "URL")]
    pub(crate) log: Option<String>,
}

/// How the node stands.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show it again every second
    #[arg(long)]
    pub(crate) watch: bool,
}

/// What a hold covers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Scope")]
pub(crate) struct ScopeArguments {
    /// Items of this case; may be given several times
    #[arg(long = "case", value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// Items that concern this person or thing, in whatever role; may be given several times
    #[arg(long = "entity", visible_alias = "custodian", value_name = "ADDRESS")]
    pub(crate) entities: Vec<String>,
    /// Items of this data category; may be given several times
    #[arg(long = "category", value_name = "CATEGORY")]
    pub(crate) categories: Vec<String>,
    /// Items of this kind; may be given several times
    #[arg(long = "kind", value_enum, value_name = "KIND")]
    pub(crate) kinds: Vec<Kind>,
    /// Items created at or after this time
    #[arg(long, value_parser = units::time, value_name = "TIME")]
    pub(crate) since: Option<prost_types::Timestamp>,
    /// Items created before this time
    #[arg(long, value_parser = units::time, value_name = "TIME")]
    pub(crate) until: Option<prost_types::Timestamp>,
    /// Every item of the tenant
    #[arg(long)]
    pub(crate) everything: bool,
}

/// What sort of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Mail, chat, a letter
    Message,
    /// A case file
    Case,
    /// Metadata of a piece of evidence
    EvidenceMetadata,
    /// A log kept for audit
    AuditLog,
    /// Anything else
    Other,
}

/// Legal holds.
#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Place a hold
    Place {
        /// Its id [default: made from the position of the command]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// A short name
        #[arg(long)]
        name: String,
        /// The matter it serves [default: the hold itself]
        #[arg(long)]
        matter: Option<String>,
        /// Who answers for it [default: you]
        #[arg(long)]
        owner: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        scope: ScopeArguments,
        /// It holds from this time on [default: now]
        #[arg(long, value_parser = units::time, value_name = "TIME")]
        start: Option<prost_types::Timestamp>,
        /// It ends by itself at this time
        #[arg(long, value_parser = units::time, value_name = "TIME")]
        end: Option<prost_types::Timestamp>,
        /// How long it goes on after an approved release [default: 30d]
        #[arg(long, value_parser = units::duration, value_name = "DURATION")]
        release_delay: Option<Duration>,
        /// The same scope in another tenant as well; may be given several times
        #[arg(long = "also-in", value_name = "TENANT")]
        also_in: Vec<String>,
    },
    /// List holds
    List {
        /// Only in this state
        #[arg(long, value_enum)]
        state: Option<HoldState>,
        /// Only of this matter
        #[arg(long)]
        matter: Option<String>,
    },
    /// Show one hold
    Show {
        /// The hold
        id: String,
    },
    /// Count what a scope would match, without placing anything
    Preview {
        #[command(flatten)]
        scope: ScopeArguments,
    },
    /// Change a hold's name, owner or reason
    Update {
        /// The hold
        id: String,
        /// New name
        #[arg(long)]
        name: Option<String>,
        /// New owner
        #[arg(long)]
        owner: Option<String>,
        /// New reason
        #[arg(long)]
        reason: Option<String>,
    },
    /// Change what a hold covers or when it ends; covering less needs a second person
    Scope {
        /// The hold
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        scope: ScopeArguments,
        /// New end
        #[arg(long, value_parser = units::time, value_name = "TIME", conflicts_with = "no_end")]
        end: Option<prost_types::Timestamp>,
        /// It has no end any more
        #[arg(long)]
        no_end: bool,
        /// The same scope in this tenant as well, in place of those it stands in now; may be given several times
        #[arg(long = "also-in", value_name = "TENANT")]
        also_in: Vec<String>,
    },
    /// Ask for the release of a hold; a second person must approve it
    Release {
        /// The hold
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// How long it goes on after the approval [default: the hold's own]
        #[arg(long, value_parser = units::duration, value_name = "DURATION")]
        delay: Option<Duration>,
    },
    /// Approve the pending change of a hold, as a second person
    Approve {
        /// The hold
        id: String,
        /// The change [default: the one that waits, which is shown]
        #[arg(long)]
        change: Option<String>,
        /// A note for the record
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Decline or withdraw the pending change of a hold
    Decline {
        /// The hold
        id: String,
        /// The change [default: the one that waits]
        #[arg(long)]
        change: Option<String>,
        /// A note for the record
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Stop an approved release during its delay
    CancelRelease {
        /// The hold
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Everything that happened, by hold, matter, item, actor or time
    Audit {
        /// Only of this hold
        #[arg(long)]
        hold: Option<String>,
        /// Only of this matter
        #[arg(long, conflicts_with = "hold")]
        matter: Option<String>,
        /// Only of this item
        #[arg(long, conflicts_with_all = ["hold", "matter"])]
        item: Option<String>,
        /// Only what this principal did
        #[arg(long, conflicts_with_all = ["hold", "matter", "item"])]
        actor: Option<String>,
        /// Only at or after this time
        #[arg(long, value_parser = units::time, value_name = "TIME")]
        since: Option<prost_types::Timestamp>,
        /// Only before this time
        #[arg(long, value_parser = units::time, value_name = "TIME")]
        until: Option<prost_types::Timestamp>,
        /// Write it to a file with everything that a third party needs to check it: `daybook log verify --export FILE`
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
    },
}

/// The state of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HoldState {
    /// Its start lies in the future
    Scheduled,
    /// It holds
    Active,
    /// It holds; its release is approved
    Releasing,
    /// It is over
    Released,
}

/// The state of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ItemState {
    /// Kept
    Active,
    /// Waits for a review
    ReviewDue,
    /// A hold puts its deletion off
    Deferred,
    /// Deleted logically
    Disposed,
    /// Deleted physically
    Purged,
    /// Kept for good
    Kept,
}

/// Governed items.
#[derive(Debug, Subcommand)]
pub(crate) enum Item {
    /// Register one item
    Register {
        /// Its id
        #[arg(long, value_name = "ID")]
        id: String,
        /// What sort of thing
        #[arg(long, value_enum, default_value = "other")]
        kind: Kind,
        /// Data category
        #[arg(long)]
        category: String,
        /// A case it belongs to; may be given several times
        #[arg(long = "case", value_name = "CASE")]
        cases: Vec<String>,
        /// A custodian; may be given several times
        #[arg(long = "custodian", value_name = "ADDRESS")]
        custodians: Vec<String>,
        /// Somebody it is about; may be given several times
        #[arg(long = "subject", value_name = "ADDRESS")]
        subjects: Vec<String>,
        /// When it came into being [default: now]
        #[arg(long, value_parser = units::time, value_name = "TIME")]
        created: Option<prost_types::Timestamp>,
        /// Retention class
        #[arg(long, value_name = "CLASS")]
        retention: String,
        /// Title; sealed before it is written down
        #[arg(long, default_value = "")]
        title: String,
        /// Text; sealed before it is written down
        #[arg(long, default_value = "")]
        body: String,
        /// Hash of the upstream copy, algorithm:hex
        #[arg(long, default_value = "")]
        content_hash: String,
        /// Where the upstream copy lies
        #[arg(long, default_value = "")]
        reference: String,
    },
    /// Import mail: mbox or eml files, or folders of them
    Import {
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Retention class
        #[arg(long, value_name = "CLASS")]
        retention: String,
        /// Data category
        #[arg(long, default_value = "email")]
        category: String,
        /// A case that all of it belongs to; may be given several times
        #[arg(long = "case", value_name = "CASE")]
        cases: Vec<String>,
        /// Whose mailbox it is
        #[arg(long = "custodian", value_name = "ADDRESS")]
        custodians: Vec<String>,
    },
    /// List items
    List {
        /// Only in this state
        #[arg(long, value_enum)]
        state: Option<ItemState>,
        /// Only of this case
        #[arg(long = "case", value_name = "CASE")]
        case: Option<String>,
        /// Only those that concern this person or thing
        #[arg(long, value_name = "ADDRESS")]
        entity: Option<String>,
        /// Only those whose deletion this hold puts off
        #[arg(long, value_name = "HOLD")]
        deferred_by: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one item
    Show {
        /// The item
        id: String,
    },
    /// May these items be deleted? The gate that other systems ask
    Check {
        /// The items
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Ask for the deletion of items
    Dispose {
        /// The items
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// End the review of an item
    Review {
        /// The item
        id: String,
        /// What becomes of it
        #[arg(long, value_enum)]
        outcome: ReviewOutcome,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Open the content of an item; the access is recorded
    Reveal {
        /// The item
        id: String,
        /// What for
        #[arg(long)]
        purpose: String,
    },
    /// Open pseudonyms; the access is recorded
    RevealEntity {
        /// The pseudonyms
        #[arg(required = true)]
        pseudonyms: Vec<String>,
        /// What for
        #[arg(long)]
        purpose: String,
    },
}

/// What a review decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReviewOutcome {
    /// It is kept for good
    Keep,
    /// It is deleted, unless a hold matches
    Dispose,
}

/// Retention classes.
#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// Define a class, or change it
    Set {
        /// The class
        id: String,
        /// How long items are kept after their creation
        #[arg(long, value_parser = units::duration, value_name = "DURATION")]
        period: Duration,
        /// What happens then
        #[arg(long, value_enum, default_value = "delete")]
        action: RetentionAction,
    },
    /// List the classes
    List,
}

/// What happens when retention ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetentionAction {
    /// Delete, unless a hold matches
    Delete,
    /// Wait for a review
    Review,
}

/// Tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum Tenant {
    /// Create a tenant, and wait until every partition knows it
    Create {
        /// Its id
        id: String,
        /// A name for people
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List the tenants
    List,
    /// Show one tenant
    Show {
        /// The tenant
        id: String,
    },
    /// Refuse a tenant's commands from now on
    Suspend {
        /// The tenant
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take them again
    Resume {
        /// The tenant
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Policy sets.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy set and publish it
    Publish {
        /// File with Cedar policies
        policies: PathBuf,
        /// File with a Cedar schema [default: the one in force]
        #[arg(long, value_name = "FILE")]
        schema: Option<PathBuf>,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Put a published policy set in force, and wait until every partition follows
    Activate {
        /// Its hash, or the first characters of it
        hash: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// List the published policy sets
    List,
    /// Show a policy set
    Show {
        /// Its hash, or the first characters of it [default: the one in force]
        hash: Option<String>,
        /// The schema instead of the policies
        #[arg(long)]
        schema: bool,
    },
    /// What changes from one policy set to another
    Diff {
        /// A hash, or a file
        before: String,
        /// A hash, or a file [default: the one in force]
        after: Option<String>,
    },
}

/// Stream keys that wait for an operator.
#[derive(Debug, Subcommand)]
pub(crate) enum Stream {
    /// List them
    Parked,
    /// Let one go on; what could not be decided stays undecided
    Unpark {
        /// The stream key
        key: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Which topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopicArgument {
    /// What was asked
    Commands,
    /// How it was answered
    Decisions,
}

/// The log itself. These read it directly, where the configuration says it lies; no node needs to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// The topics with their partitions and bounds
    Topics,
    /// The latest decisions, and those that follow
    Tail {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// So many of each partition to begin with
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: u64,
        /// Go on as more are made
        #[arg(long, short)]
        follow: bool,
    },
    /// One command with its decision, as partition/offset
    Show {
        /// The position, for example 3/1042
        #[arg(value_parser = units::position)]
        position: (u32, u64),
    },
    /// Is the chain whole? Of the log, of an exported one, or of an exported audit
    Verify {
        /// Check this exported audit instead of a log
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        /// Check this exported log instead of the one that is configured
        #[arg(long, value_name = "FOLDER", conflicts_with = "export")]
        archive: Option<PathBuf>,
        /// Nothing before this signed checkpoint may have been cut off or rewritten
        #[arg(long, value_name = "CHECKPOINT", conflicts_with = "export")]
        against: Option<PathBuf>,
        /// The checkpoint must be signed with this key: 64 hexadecimal digits, or a file [default: the key that stands
        /// in the checkpoint, which whoever forged it could have put there]
        #[arg(long, value_name = "KEY", requires = "against")]
        public_key: Option<String>,
        /// Only this partition
        #[arg(long, conflicts_with = "export")]
        partition: Option<u32>,
        /// The chain must pass through this hash, known from elsewhere (64 hexadecimal digits)
        #[arg(long, value_name = "HASH", value_parser = units::hash)]
        head: Option<Hash>,
    },
    /// Write the log into a folder, to be kept or moved
    Export {
        /// A folder that is new or empty
        folder: PathBuf,
    },
    /// Copy an exported log into the configured one, which must be empty; no node may run on it
    Import {
        /// The folder of an export
        folder: PathBuf,
    },
    /// Copy the beginning of the log, up to the oldest kept snapshot, into the archive that archive.url names
    Archive {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Only decisions before this offset, and the commands that they decide
        #[arg(long, value_name = "OFFSET", requires = "partition")]
        before: Option<u64>,
        /// Leave the latest so many decision records of each partition in the log
        #[arg(long, value_name = "N", conflicts_with = "before")]
        keep: Option<u64>,
        /// Let go of what is archived, once it was read back; on the embedded log no node may run
        #[arg(long)]
        trim: bool,
    },
    /// Write down where the chain of every partition stands, signed
    Checkpoint {
        /// Sign with this key: PKCS#8 in PEM, or a seed of 32 bytes
        #[arg(long, value_name = "FILE", required_unless_present = "new_key")]
        key: Option<PathBuf>,
        /// Into this file, or into a file of its own in this folder [default: standard output]
        #[arg(long, value_name = "FILE|FOLDER")]
        out: Option<PathBuf>,
        /// Make a new key in this file and print its public key; nothing else
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "out"])]
        new_key: Option<PathBuf>,
    },
}

/// Read the log again.
#[derive(Debug, Subcommand)]
pub(crate) enum Replay {
    /// Decide every command again under the recorded policy set, and report any difference
    Verify {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
    },
    /// Fold a store from nothing
    Rebuild {
        /// Into this folder [default: a temporary one]
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Through the decision of this command offset
        #[arg(long, value_name = "OFFSET", requires = "partition")]
        until_offset: Option<u64>,
        /// Through everything decided at or before this time of the log
        #[arg(long, value_parser = units::time, value_name = "TIME", conflicts_with = "until_offset")]
        until_time: Option<prost_types::Timestamp>,
        /// Compare with the state of the running node, row by row
        #[arg(long, conflicts_with_all = ["until_offset", "until_time"])]
        compare: bool,
    },
}

/// Snapshots of the partitions' states, in the object store that snapshots.url names. A node that serves takes them by
/// itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// List them, newest first
    List {
        /// Only of this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Read every file and compare its checksum
        #[arg(long)]
        check: bool,
    },
    /// Take one of each partition of a node that is stopped
    Take {
        /// Only of this partition
        #[arg(long)]
        partition: Option<u32>,
    },
    /// Restore the newest whole one of each partition whose store is missing; no node may run. A node that starts does the
    /// same by itself
    Restore {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Into this folder instead of the data folder, below the partition's number
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
}

/// Projections of the node.
#[derive(Debug, Subcommand)]
pub(crate) enum Projection {
    /// List them
    List,
    /// Fold one again from the log, beside the live one, and swap it in while the node serves
    Rebuild {
        /// The projection
        projection: String,
        /// Only this partition; may be given several times
        #[arg(long)]
        partition: Vec<u32>,
    },
}

/// What became of a command.
#[derive(Debug, Args)]
pub(crate) struct OutcomeOf {
    /// The command's id
    pub(crate) command_id: String,
}

/// What every node of the log must understand.
#[derive(Debug, Subcommand)]
pub(crate) enum FeatureLevel {
    /// Show the level, and the nodes there were when it was raised
    Show,
    /// Raise it, when every node runs the new release; it cannot be lowered
    Raise {
        /// The level [default: the newest that every node understands]
        level: Option<u32>,
    },
}

/// Move the log's clock forward.
#[derive(Debug, Args)]
pub(crate) struct Clock {
    /// How far
    #[arg(long, value_parser = units::duration, value_name = "DURATION")]
    pub(crate) advance: Duration,
}

/// Make a token.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// How long it is good
    #[arg(long, value_parser = units::duration, default_value = "8h", value_name = "DURATION")]
    pub(crate) valid_for: Duration,
    /// For a program
    #[arg(long)]
    pub(crate) service: bool,
}

/// What an error code means.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code [default: list them all]
    pub(crate) code: Option<String>,
}

/// Every configuration key.
#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    /// The values in force, from file and environment, instead of the explained defaults
    #[arg(long)]
    pub(crate) effective: bool,
}

/// Completions for a shell.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
