//! A node, and what it says: `daybook serve`, `daybook demo`, `daybook status` and the like.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Run a node.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Development mode: the node makes its own tokens and keys and lets the clock be moved
    #[arg(long)]
    pub(crate) dev: bool,
    /// Serve data of a development node as production from now on: what only development nodes may do is taken away from
    /// it, for good
    #[arg(long, conflicts_with = "dev")]
    pub(crate) leave_development: bool,
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

/// See a legal hold stop a deletion, or (`analytics`) a month of a product's use.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Demo {
    #[command(subcommand)]
    pub(crate) story: Option<DemoStory>,
    #[command(flatten)]
    pub(crate) hold: HoldDemo,
}

/// Stories beside that of a legal hold.
#[derive(Debug, Subcommand)]
pub(crate) enum DemoStory {
    /// A month of a product's use: recorded, measured, drawn, exported; and nothing personal of it on the disk
    Analytics(AnalyticsDemo),
}

/// Of the story of a legal hold.
#[derive(Debug, Args)]
pub(crate) struct HoldDemo {
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

/// Of the story of a product.
#[derive(Debug, Args)]
pub(crate) struct AnalyticsDemo {
    /// How many people use the product
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=20_000_000))]
    pub(crate) actors: u32,
    /// The same number, the same month
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where charts go, and what is exported if the demo starts a node of its own [default: a new folder below the
    /// system's temporary one, which stays]
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
}

/// How the node stands.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show it again every second
    #[arg(long)]
    pub(crate) watch: bool,
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
