//! `daybook hold`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Kind;
use crate::failure::{Failure, Outcome};
use crate::period::{self, Period};
use crate::units;

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
    /// Items created at or after this time: 2026-03-01, 2026-03-01T12:00 or 2026-03-01T12:00:00Z
    #[arg(long, value_parser = units::time_text, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Items created before this time
    #[arg(long, value_parser = units::time_text, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Every item of the tenant
    #[arg(long)]
    pub(crate) everything: bool,
}

/// In which time zone times are meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ZoneArgument {
    /// Time zone of the times that name none, for example Europe/Prague [default: UTC]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

impl ZoneArgument {
    /// A point in time that may be left out.
    pub(crate) fn time(&self, text: Option<&String>) -> Outcome<Option<prost_types::Timestamp>> {
        let zone = self.zone.as_deref().unwrap_or_default();
        text.map(|text| units::time_in(text, zone)).transpose().map_err(Failure::new)
    }
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
        /// It is in force from this time on [default: now]
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        start: Option<String>,
        /// It ends at this time, without a release
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        end: Option<String>,
        /// How long it stays in force after an approved release, for example 30d or 6mo [default: 30d]
        #[arg(long, value_parser = period::period, value_name = "PERIOD")]
        release_delay: Option<Period>,
        #[command(flatten)]
        zone: ZoneArgument,
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
        #[command(flatten)]
        zone: ZoneArgument,
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
        #[arg(long, value_parser = units::time_text, value_name = "TIME", conflicts_with = "no_end")]
        end: Option<String>,
        /// It has no end any more
        #[arg(long)]
        no_end: bool,
        /// The same scope in this tenant as well, in place of those it stands in now; may be given several times
        #[arg(long = "also-in", value_name = "TENANT")]
        also_in: Vec<String>,
        /// It is in no other tenant any more
        #[arg(long, conflicts_with = "also_in")]
        nowhere_else: bool,
        #[command(flatten)]
        zone: ZoneArgument,
    },
    /// Ask for the release of a hold; a second person must approve it
    Release {
        /// The hold
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// How long it stays in force after the approval, for example 30d or 6mo [default: the hold's own]
        #[arg(long, value_parser = period::period, value_name = "PERIOD")]
        delay: Option<Period>,
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
    /// Ask the other tenants of a hold now what is in force in them; the node does so itself once a day
    Confirm {
        /// The hold
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Every hold that is in other tenants
        #[arg(long, conflicts_with = "id")]
        all: bool,
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
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        since: Option<String>,
        /// Only before this time
        #[arg(long, value_parser = units::time_text, value_name = "TIME")]
        until: Option<String>,
        #[command(flatten)]
        zone: ZoneArgument,
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
