//! `daybook config`: every configuration key.

use crate::args::{Global, ShowConfig};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};

/// Every key with its default, explained. A file to start from.
const DEFAULTS: &str = include_str!("../../config.default.toml");

/// Shows the explained defaults, or what is in force.
pub(crate) fn run(arguments: &ShowConfig, global: &Global) -> Outcome {
    if !arguments.effective && !global.json {
        line(DEFAULTS.trim_end());
        return Ok(());
    }
    let config = if arguments.effective { global.config()? } else { daybook_server::config::Config::default() };
    // Passwords, keys and tokens are not shown.
    let shown = config.shown()?;
    if global.json {
        output::json(&serde_json::to_value(&shown).map_err(Failure::new)?);
    } else {
        line(toml::to_string(&shown).map_err(Failure::new)?.trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use daybook_server::config::Config;

    use super::*;

    #[test]
    fn the_explained_defaults_are_the_defaults() {
        let explained: Config = toml::from_str(DEFAULTS).unwrap();
        // Where the data lies and what the node is called depend on the machine: they are shown commented out.
        assert_eq!(explained, Config::default());
    }

    #[test]
    fn every_key_is_explained() {
        let defaults: toml::Table = toml::to_string(&Config::default()).unwrap().parse().unwrap();
        let optional = ["certificate", "private_key", "client_ca", "ca", "master_key_file", "key_file", "folder"];
        let keys = defaults.values().filter_map(|section| section.as_table()).flat_map(|section| section.keys());
        for key in keys.map(String::as_str).chain(optional) {
            let shown = DEFAULTS
                .lines()
                .any(|line| line.trim_start_matches("# ").split_once(" = ").is_some_and(|(name, _)| name == key));
            // A table of its own is shown as its header.
            let section = DEFAULTS.contains(&format!(".{key}]"));
            assert!(shown || section, "{key} is not explained");
        }
    }
}
