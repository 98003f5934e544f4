//! How much work it is to check a set against its schema, estimated before it is done.
//!
//! Cedar checks each policy for every combination of a principal type, an action and a resource type that the schema
//! allows, and looks for names like one that it does not know by comparing that one with all there are. The work is the
//! product of what policies and schema hold, so each of them can be short: 3,000 principal types and as many resource types
//! are a schema of 100 KB, and nine million combinations.
//!
//! The deciding loop of the platform's partition does that work, and nothing else meanwhile. So it is bounded, by a number
//! that follows from the two texts alone: every node and every replay comes to the same one.

use std::collections::BTreeMap;

use cedar_policy::Schema;
use daybook_kernel::authorisation::PolicyProblem;

use crate::bounds::{named_types, too_much, written_out};
use crate::text::{Token, Tokens};

/// Words and signs in one schema.
const SCHEMA_TOKENS_MAX: usize = 20_000;
/// Entity types in one schema. Cedar keeps all ancestors of each.
const ENTITY_TYPES_MAX: usize = 250;
/// Actions in one schema. The same holds for them.
const ACTIONS_MAX: usize = 500;
/// A name, or a text that policies compare with, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// The work that a check may be, in nanoseconds of a machine of 2020 at most.
const WORK_MAX: u64 = 500_000_000;

/// One word or sign of a policy, for one combination.
const TOKEN_WORK: u64 = 250;
/// One access to an attribute, for one combination, for each byte of the type that is accessed.
const ACCESS_WORK: u64 = 5;

/// Whether texts can be read in bounded time: before Cedar reads them.
pub(crate) fn check_texts(policies: &str, schema: &str) -> Result<(), Vec<PolicyProblem>> {
    let mut annotation = 0;
    for Token { text, line } in Tokens::of(policies) {
        // Of an annotation `@name("text")` the text may be long: nothing is compared with it.
        let is_annotation = annotation == 3;
        annotation = match (annotation, text) {
            (_, "@") => 1,
            (1, _) => 2,
            (2, "(") => 3,
            _ => 0,
        };
        if is_annotation {
            continue;
        }
        check_name("policies", text, line)?;
    }
    let mut tokens = 0;
    for Token { text, line } in Tokens::of(schema) {
        check_name("schema", text, line)?;
        tokens += 1;
        if tokens > SCHEMA_TOKENS_MAX {
            return Err(too_much("schema", line, &format!("it has more than {SCHEMA_TOKENS_MAX} words and signs")));
        }
    }
    for (what, max, found) in [
        ("entity types", ENTITY_TYPES_MAX, declared(schema, "entity")),
        ("actions", ACTIONS_MAX, declared(schema, "action")),
    ] {
        if found > max {
            return Err(too_much("schema", 0, &format!("it has {found} {what}, and may have {max}")));
        }
    }
    Ok(())
}

fn check_name(part: &'static str, text: &str, line: usize) -> Result<(), Vec<PolicyProblem>> {
    if text.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a name or text has {} bytes, and may have {NAME_BYTES_MAX}", text.len());
    Err(vec![PolicyProblem { part, line, column: 0, message }])
}

/// How many names follow the word that declares them: `entity A, B in [C];` declares two.
fn declared(schema: &str, by: &str) -> usize {
    let mut count = 0;
    let mut tokens = Tokens::of(schema).map(|token| token.text).peekable();
    while let Some(token) = tokens.next() {
        if token != by {
            continue;
        }
        // A name, and another after each comma. An attribute may have the declaring word for its name: `entity: String`.
        while tokens.next_if(|token| *token != ":").is_some() {
            count += 1;
            if tokens.next_if_eq(&",").is_none() {
                break;
            }
        }
    }
    count
}

/// Whether the check is little enough work: after Cedar has read the schema.
pub(crate) fn check_work(policies: &str, schema: &str, read: &Schema) -> Result<(), Vec<PolicyProblem>> {
    let (combinations, work) = work(policies, schema, read);
    if work <= WORK_MAX {
        return Ok(());
    }
    let message = format!(
        "to check it would take {} times the work that a set may take: the schema allows {combinations} combinations of \
         principal type, action and resource type; let actions apply to fewer types, or write fewer policies",
        work.div_ceil(WORK_MAX)
    );
    Err(vec![PolicyProblem { part: "schema", line: 0, column: 0, message }])
}

/// How many combinations the schema allows, and the work of checking all policies for all of them.
fn work(policies: &str, schema: &str, read: &Schema) -> (u64, u64) {
    let types_of = |count: Option<usize>| count.unwrap_or(0) as u64;
    let combinations = read.actions().fold(0_u64, |sum, action| {
        let principals = types_of(read.principals_for_action(action).map(Iterator::count));
        let resources = types_of(read.resources_for_action(action).map(Iterator::count));
        sum.saturating_add(principals.saturating_mul(resources))
    });
    let (mut tokens, mut bytes, mut accesses, mut accessed_bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut before = "";
    for Token { text, .. } in Tokens::of(policies) {
        let length = text.len() as u64;
        tokens += 1;
        bytes += length;
        if matches!(before, "." | "has" | "[") {
            accesses += 1;
            accessed_bytes += length;
        }
        before = text;
    }
    let widest = widest(schema);
    let for_each = (tokens * TOKEN_WORK)
        .saturating_add(accesses.saturating_mul(widest).saturating_mul(ACCESS_WORK))
        .saturating_add(accessed_bytes.saturating_mul(widest));
    // An unknown name is compared with every name, but once.
    let once = bytes.saturating_mul(schema.len() as u64) / 4;
    (combinations, combinations.saturating_mul(for_each).saturating_add(once))
}

/// The size of the largest declaration of a schema, in bytes, with each type written out.
fn widest(schema: &str) -> u64 {
    let length = |text: &str| text.len() as u64;
    let (types, others) = named_types(schema);
    let sizes: BTreeMap<_, _> = written_out(&types, length);
    let size = |name: &&str| sizes.get(name).copied().unwrap_or_else(|| length(name));
    let declarations = others.split(|token| *token == ";");
    declarations.map(|tokens| tokens.iter().map(size).fold(0, u64::saturating_add)).max().unwrap_or_default()
}
