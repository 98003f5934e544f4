//! `daybook token`: a token of a development node.

use serde_json::json;

use crate::args::{Global, Token};
use crate::failure::Outcome;
use crate::output::{self, line};
use crate::session::Who;

/// Prints a token.
pub(crate) fn run(arguments: &Token, global: &Global) -> Outcome {
    let config = global.config()?;
    let who = Who { service: arguments.service, valid_for: arguments.valid_for, ..global.who() };
    let token = global.mint(&config, &who)?;
    if global.json {
        let seconds = arguments.valid_for.as_secs();
        output::json(&json!({ "token": token, "subject": who.subject, "tenants": who.tenants, "roles": who.roles,
            "validForSeconds": seconds }));
    } else {
        line(token);
    }
    Ok(())
}
