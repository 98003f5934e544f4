//! `daybook token`: a token of a development node. It speaks for one tenant, and for those that `--also-tenant` names.

use serde_json::json;

use crate::args::{Global, Token};
use crate::failure::Outcome;
use crate::output::{self, line};
use crate::session::Who;

/// The tenant that the platform itself is.
const PLATFORM: &str = "platform";

/// Prints a token.
pub(crate) fn run(arguments: &Token, global: &Global) -> Outcome {
    let config = global.config()?;
    let mut who = Who { service: arguments.service, valid_for: arguments.valid_for, ..global.who() };
    let is_meant = global.also_tenant.iter().chain([&global.tenant()]).any(|tenant| tenant == PLATFORM);
    if !is_meant {
        // With a token for one tenant no request need name it; an SDK that knows nothing but a host and a key cannot.
        who.tenants.retain(|tenant| tenant != PLATFORM);
    }
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
