//! Schema files of events, their linter, and typed clients made from them.
//!
//! A team keeps the schemas of its events in YAML files beside its code ([`files`]). The linter ([`lint`]) says of each
//! of them what a node would refuse, what no newer version may change, and what is likely a mistake; every finding
//! names the file, the line and what to do. From the same files come clients ([`client`]) in which each event is a
//! method with typed parameters, so that a wrong event does not compile.
//!
//! Architecture invariants: files are read in [`files::read`] and nowhere else, nothing is written, no network; the
//! rules of schemas are those of `daybook_event_rules`, by which a node decides, and not written down twice.
//!
//! ```
//! use daybook_instrument::{client, files, lint};
//!
//! let text = "
//! events:
//!   - name: case.exported
//!     version: 1
//!     description: Somebody exported a case.
//!     purpose: product_improvement
//!     properties:
//!       format: {type: enum, values: [pdf, docx], required: true}
//! ";
//! let files = files::parse("events.yaml", text).unwrap();
//! assert!(lint::lint(&files).is_empty());
//! let typescript = client::generate(client::Language::TypeScript, &files.schemas());
//! assert!(typescript.contains("caseExported(properties: {"));
//! ```

pub mod client;
pub mod files;
mod finding;
pub mod lint;
mod names;

pub use finding::{Finding, Severity};
