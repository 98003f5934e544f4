//! `daybook item` and `daybook retention`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::person::{person, person_or_text};
use crate::period::{self, Period};
use crate::units;

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

/// The state of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ItemState {
    /// Kept
    Active,
    /// Waits for a review
    ReviewDue,
    /// A hold defers its deletion
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
        #[arg(long = "custodian", value_name = "ADDRESS", value_parser = person)]
        custodians: Vec<String>,
        /// Somebody it is about; may be given several times
        #[arg(long = "subject", value_name = "ADDRESS", value_parser = person)]
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
    /// Import mail: mbox or eml files, or folders of them. Ends with an error if anything is skipped, and lists it
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
        /// Whose mailbox it is; may be given several times
        #[arg(long = "custodian", value_name = "ADDRESS", value_parser = person)]
        custodians: Vec<String>,
        /// Import messages that are past the end of their retention as well: they are deleted, or due for review, at once
        #[arg(long)]
        accept_due: bool,
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
        #[arg(long, value_name = "ADDRESS", value_parser = person_or_text)]
        entity: Option<String>,
        /// Only those whose deletion this hold defers
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
    /// Define a class, or change it; where items fall due by it that would be kept longer, a second person must approve
    Set {
        /// The class
        id: String,
        /// How long items are kept after their creation, for example 10y, 18mo or 90d; units: y (years), mo (months),
        /// w, d, h, min, s. Years and months are those of the calendar, in UTC
        #[arg(long, value_parser = period::period, value_name = "PERIOD")]
        period: Period,
        /// What happens then
        #[arg(long, value_enum, default_value = "delete")]
        action: RetentionAction,
        /// So many items may fall due by this within 30 days, or `all`; `daybook retention preview` counts them
        #[arg(long, value_parser = accepted, value_name = "NUMBER", default_value = "0", hide_default_value = true)]
        accept_due: u64,
    },
    /// Count what would fall due if a class were set so, without changing anything
    Preview {
        /// The class
        id: String,
        /// How long items would be kept after their creation, for example 10y, 18mo or 90d
        #[arg(long, value_parser = period::period, value_name = "PERIOD")]
        period: Period,
        /// What would happen then
        #[arg(long, value_enum, default_value = "delete")]
        action: RetentionAction,
    },
    /// Approve the pending change of a class, as a second person
    Approve {
        /// The class
        id: String,
        /// The change [default: the one that waits, which is shown]
        #[arg(long)]
        change: Option<String>,
        /// A note for the record
        #[arg(long, default_value = "")]
        comment: String,
        /// So many items may fall due by this within 30 days, or `all`
        #[arg(long, value_parser = accepted, value_name = "NUMBER", default_value = "0", hide_default_value = true)]
        accept_due: u64,
    },
    /// Decline or withdraw the pending change of a class
    Decline {
        /// The class
        id: String,
        /// The change [default: the one that waits]
        #[arg(long)]
        change: Option<String>,
        /// A note for the record
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// List the classes
    List,
}

/// How many items may fall due.
fn accepted(text: &str) -> Result<u64, String> {
    if text == "all" {
        return Ok(u64::MAX);
    }
    text.parse().map_err(|_| format!("{text:?} is no number of items; write a number, or all"))
}

/// What happens when retention ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetentionAction {
    /// Delete, unless a hold matches
    Delete,
    /// Wait for a review
    Review,
}
