//! The command line: one file for each group of commands.

mod analytics;
mod hold;
mod item;
mod log;
mod node;
mod person;
mod platform;
mod tools;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use analytics::{Analytics, By, ExportedContent, Language, MetricArguments, StepOrder};
pub(crate) use hold::{Hold, HoldState, ScopeArguments, ZoneArgument};
pub(crate) use item::{Item, ItemState, Kind, Retention, RetentionAction, ReviewOutcome};
pub(crate) use log::{Log, Replay, Snapshot};
pub(crate) use node::{AnalyticsDemo, Demo, DemoStory, HoldDemo, Inbox, OutcomeOf, Projection, Serve, Status};
pub(crate) use platform::{Clock, FeatureLevel, Policy, Stream, Tenant};
pub(crate) use tools::{Completions, Explain, ShowConfig, Token};

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
    /// Data folder of the node, in place of node.data_dir. Commands ask the node that runs on it
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The node that is asked [default: the one that runs on the data folder, else where the configuration says it
    /// listens]
    #[arg(long, global = true, env = "DAYBOOK_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Bearer token. Other users of this machine see it in the list of processes: prefer --token-file or the
    /// environment variable DAYBOOK_TOKEN. Without one, the key of a development node on this machine makes it
    #[arg(long, global = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// File with the bearer token; - reads it from standard input. Comes before DAYBOOK_TOKEN
    #[arg(long, global = true, env = "DAYBOOK_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Tenant [default: demo]
    #[arg(long, global = true, env = "DAYBOOK_TENANT", value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Development token: further tenants that it speaks for, `platform` among them
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
    /// Events of product use, and metrics
    #[command(subcommand)]
    Analytics(Analytics),
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
