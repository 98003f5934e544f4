//! What the platform itself governs: tenants, policy sets, parked streams, the feature level, the clock.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::period;

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
    /// Print the policies that ship with this release, to publish them on a log of an older one
    Shipped {
        /// The Cedar schema instead
        #[arg(long)]
        schema: bool,
    },
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
    #[arg(long, value_parser = period::duration, value_name = "DURATION")]
    pub(crate) advance: Duration,
}
