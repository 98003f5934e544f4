//! `daybook analytics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::{period, units};

/// Events of product use, and metrics.
#[derive(Debug, Subcommand)]
pub(crate) enum Analytics {
    /// Check files with schemas of events, before anything is registered
    Lint {
        /// Files or folders (YAML)
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The files in force: what must not be taken away
        #[arg(long, value_name = "FILE", num_args = 1..)]
        against: Vec<PathBuf>,
    },
    /// Write a typed client for the events in files
    Client {
        /// Files or folders (YAML)
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// For which language
        #[arg(long, value_enum)]
        language: Language,
        /// Where to [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Register the events in files, and their minimisation profile where there is one
    Register {
        /// Files or folders (YAML)
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// The registered events
    Events,
    /// Record events: one JSON object a line
    Record {
        /// The file; - is standard input
        file: PathBuf,
        /// Events in one command
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2_000))]
        batch: u32,
    },
    /// What was refused, by name
    Refused,
    /// Define a metric, from a file with its definition (JSON)
    Define {
        /// The file
        file: PathBuf,
    },
    /// The defined metrics
    Metrics,
    /// Compute a metric
    Query {
        #[command(flatten)]
        metric: MetricArguments,
        /// Write the answer as an Arrow stream instead, into a file
        #[arg(long, value_name = "FILE")]
        arrow: Option<PathBuf>,
    },
    /// Compute a metric and draw it
    Chart {
        #[command(flatten)]
        metric: MetricArguments,
        /// Where to: a file that ends in .svg or .html
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Title of the page
        #[arg(long)]
        title: Option<String>,
    },
    /// How much it is used in several tenants together
    Adoption {
        /// The tenants
        #[arg(required = true)]
        tenants: Vec<String>,
        /// From then on: a time, or a day (UTC)
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        since: String,
        /// Before then
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        until: String,
        /// For each of these periods
        #[arg(long, value_enum)]
        by: Option<By>,
        /// The events; may be given several times [default: all]
        #[arg(long = "event", value_name = "NAME")]
        events: Vec<String>,
    },
    /// Export events and metrics as Parquet files
    Export {
        /// From then on: a time, or a day (UTC)
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        since: String,
        /// Before then
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        until: String,
        #[command(flatten)]
        content: ExportedContent,
        /// Do not wait until the files are there
        #[arg(long)]
        no_wait: bool,
    },
    /// The exports
    Exports,
    /// Make exports by themselves, or end that
    ExportSchedule {
        /// How often, an hour at least; 0 ends it
        #[arg(long, value_parser = period::duration, value_name = "DURATION")]
        every: Duration,
        /// How many whole days (UTC) before its time each covers
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
        #[command(flatten)]
        content: ExportedContent,
    },
    /// Erase an actor from everything that is computed
    Erase {
        /// Who: what events call them
        actor: String,
    },
}

/// What an export holds.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportedContent {
    /// A table of this defined metric as well; may be given several times
    #[arg(long = "metric", value_name = "NAME")]
    pub(crate) metrics: Vec<String>,
    /// Only metrics, not the events one by one
    #[arg(long)]
    pub(crate) metrics_only: bool,
    /// Metrics: for each of these periods
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// Metrics: split by `event`, `feature`, or the values of a property
    #[arg(long, value_name = "WHAT")]
    pub(crate) split: Option<String>,
}

/// Languages that clients are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Rust
    Rust,
    /// TypeScript
    #[value(alias = "ts")]
    Typescript,
    /// Python
    Python,
}

/// Periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Days
    Day,
    /// Weeks, Monday to Sunday
    Week,
    /// Months
    Month,
}

/// The order of a funnel's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StepOrder {
    /// One after the other, anything in between
    Ordered,
    /// An event of a later step than those due ends the attempt
    Strict,
    /// Each in an instant of its own
    Increasing,
    /// Any order
    Any,
}

/// A metric and what is asked of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct MetricArguments {
    /// usage, funnel, retention, lifecycle, paths, sessions, time-to-insight, copilot, or the name of a defined metric
    pub(crate) metric: String,
    /// From then on: a time, or a day of the time zone
    #[arg(long, value_parser = units::time_text, value_name = "TIME")]
    pub(crate) since: String,
    /// Before then
    #[arg(long, value_parser = units::time_text, value_name = "TIME")]
    pub(crate) until: String,
    /// Time zone of days, weeks and months, by its IANA name such as Europe/Berlin, in any case [default: UTC]
    #[arg(long, default_value = "", hide_default_value = true, value_parser = units::zone_name)]
    pub(crate) zone: String,
    /// For each of these periods
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// Split by `event`, `feature`, or the values of a property
    #[arg(long, value_name = "WHAT")]
    pub(crate) split: Option<String>,
    /// Values that a split tells apart [default: 20]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) top: u32,
    /// Only events with this: property=value,value or property!=value or property>=5 or property<=5; may be given several
    /// times
    #[arg(long = "where", value_parser = units::filter, value_name = "FILTER")]
    pub(crate) filters: Vec<daybook_proto::product_analytics::v1::PropertyFilter>,
    /// The events; may be given several times [default: all]. Of time-to-insight and copilot: what counts as an insight or
    /// outcome [default: events that mean one]
    #[arg(long = "event", value_name = "NAME")]
    pub(crate) events: Vec<String>,
    /// The version of a defined metric [default: the newest]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) version: u32,
    #[command(flatten)]
    pub(crate) funnel: FunnelArguments,
    #[command(flatten)]
    pub(crate) retention: RetentionArguments,
    #[command(flatten)]
    pub(crate) paths: PathsArguments,
    /// Copilot: how long before an outcome an answer counts [default: 1h]
    #[arg(long, value_parser = period::duration, value_name = "DURATION", help_heading = "Copilot")]
    pub(crate) attribution_window: Option<Duration>,
}

/// Of a funnel.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Funnel")]
pub(crate) struct FunnelArguments {
    /// A step: events joined by |, with ? at the end when it may be left out; in their order
    #[arg(long = "step", value_name = "NAMES")]
    pub(crate) steps: Vec<String>,
    /// Events that end an attempt
    #[arg(long, value_name = "NAME")]
    pub(crate) exclude: Vec<String>,
    /// From the first step to the last at most this long [default: 14d]
    #[arg(long, value_parser = period::duration, value_name = "DURATION")]
    pub(crate) window: Option<Duration>,
    /// The order of the steps
    #[arg(long, value_enum, default_value = "ordered")]
    pub(crate) order: StepOrder,
}

/// Of retention.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Retention")]
pub(crate) struct RetentionArguments {
    /// What shows that somebody came back [default: the same events]
    #[arg(long, value_name = "NAME")]
    pub(crate) returning: Vec<String>,
    /// Active in a period or any later one
    #[arg(long)]
    pub(crate) rolling: bool,
    /// Only those whose first such event ever lies in the period
    #[arg(long)]
    pub(crate) first_time: bool,
    /// How many periods [default: 30]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) periods: u32,
}

/// Of paths.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Paths")]
pub(crate) struct PathsArguments {
    /// Paths begin with one of these events
    #[arg(long, value_name = "NAME")]
    pub(crate) starting_with: Vec<String>,
    /// Events in a path at most [default: 5]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) length: u32,
}
