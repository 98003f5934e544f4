//! `daybook explain`: the page of an error code.

use daybook_server::error::every_code;
use serde_json::json;

use crate::args::{Explain, Global};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};

/// Shows a page, or lists the codes.
pub(crate) fn run(arguments: &Explain, global: &Global) -> Outcome {
    let codes = every_code(&daybook_domains::registry());
    let Some(wanted) = &arguments.code else {
        if global.json {
            output::json(&codes.iter().map(|code| code.name).collect());
        } else {
            output::table(
                ["code", "status"],
                codes.iter().map(|code| [code.name.into(), format!("{:?}", code.status)]),
            );
        }
        return Ok(());
    };
    let code = codes.iter().find(|code| code.name.eq_ignore_ascii_case(wanted));
    let code = code.ok_or_else(|| {
        Failure::new(format!("there is no error code {wanted}")).hint("`daybook explain` lists them all")
    })?;
    if global.json {
        output::json(&json!({ "code": code.name, "status": format!("{:?}", code.status), "page": code.page }));
    } else {
        line(code.page.trim_end());
    }
    Ok(())
}
