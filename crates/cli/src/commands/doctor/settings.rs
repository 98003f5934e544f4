//! Configuration, data folder, disk and permissions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use daybook_checkpoint::SigningKey;
use daybook_server::auth::development::DevelopmentKey;
use daybook_server::config::Config;
use daybook_server::data_dir::{check_secret, import_marker};
use daybook_server::error::codes;
use daybook_server::file_access::FileAccess;
use daybook_server::free_bytes;

use super::finding::{Finding, Report};

/// Looks at what can be told without opening anything.
pub(super) fn look(config: &Config, config_file: Option<&Path>, report: &mut Report) {
    configuration(config, report);
    folder(config, report);
    disk(config, report);
    // The client's settings are where passwords for the brokers are.
    let holds_secrets = !config.log.kafka_properties.reveal().is_empty();
    secrets(config, config_file.filter(|_| holds_secrets), report);
}

fn configuration(config: &Config, report: &mut Report) {
    let before = report.findings.len();
    if config.auth.jwks.is_empty() && !config.node.development {
        report.add(
            Finding::problem("configuration", "auth.jwks is not set")
                .code(codes::CONFIG_INVALID)
                .means("nobody could come in: a node does not start")
                .next("set it to the JWKS of your identity provider, a file or URL; or start with --dev to try things"),
        );
    }
    if !config.node.development && (config.auth.issuer.is_empty() || config.auth.audience.is_empty()) {
        report.add(
            Finding::problem("configuration", "auth.issuer and auth.audience are not both set")
                .code(codes::CONFIG_INVALID)
                .means(
                    "any token of the identity provider would count, whatever it was made for: a node does not start",
                )
                .next("set them to what the provider writes into iss and aud of tokens for Daybook"),
        );
    }
    if !config.node.development && DevelopmentKey::is_there(&config.node.data_dir) {
        report.add(
            Finding::problem("data folder", "a development node has made it, and this is no development node")
                .code(codes::DEVELOPMENT_DATA)
                .means("a node does not start on it")
                .next("start with --dev, or once with --leave-development"),
        );
    }
    if config.auth.flat_roles == "every-tenant" {
        report.add(
            Finding::warning("configuration", "auth.flat_roles is \"every-tenant\"")
                .means("a role in a token counts in each of its tenants")
                .next("have the provider name roles by tenant, in the claim auth.tenant_roles_claim"),
        );
    }
    if config.node.development {
        report.add(
            Finding::warning("configuration", "this is a development node")
                .means("whoever can read its data folder can be anybody, and move the log's clock")
                .next("use it for trying things out only"),
        );
    }
    if !config.listen.address.ip().is_loopback() && config.tls.certificate.is_none() {
        report.add(
            Finding::warning("configuration", format!("{} is reached without TLS", config.listen.address))
                .means("tokens and content cross the network readable")
                .next("set tls.certificate and tls.private_key, or put a proxy with TLS before it"),
        );
    }
    if config.auth.jwks_allow_http && config.auth.jwks.to_ascii_lowercase().starts_with("http://") {
        report.add(
            Finding::warning("configuration", "auth.jwks is read without TLS")
                .means("anybody who can change what is sent there can sign tokens")
                .next("give its https:// address, and set auth.jwks_allow_http to false"),
        );
    }
    if config.log.kafka_brokers().is_some() && config.log.kafka_min_insync_replicas < 2 {
        report.add(
            Finding::warning("configuration", "log.kafka_min_insync_replicas is below 2")
                .means(
                    "a node accepts topics where one broker acknowledges alone, and what it did is lost with its disk",
                )
                .next("replicate the topics three times and set it to 2"),
        );
    }
    if let Some(file) = config.checkpoints.key_file.as_ref().filter(|_| !config.checkpoints.every_seconds.is_zero())
        && let Err(error) = SigningKey::from_file(file)
    {
        report.add(
            Finding::problem("configuration", &error)
                .code(error.code())
                .means("a node that is to sign checkpoints does not start without the key")
                .next("name the right file in checkpoints.key_file, or set checkpoints.every_seconds to 0"),
        );
    }
    if report.findings.len() == before {
        report.add(Finding::ok("configuration", "it can be read and has no mistakes"));
    }
}

fn folder(config: &Config, report: &mut Report) {
    let folder = &config.node.data_dir;
    let shown = folder.display();
    let Ok(found) = fs::metadata(folder) else {
        report.add(
            Finding::warning("data folder", format!("{shown} is not there"))
                .means("no node has run with this configuration; one that starts makes a new folder")
                .next("if there should be data, check node.data_dir, DAYBOOK_NODE__DATA_DIR and --data-dir"),
        );
        return;
    };
    if rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err() {
        report.add(
            Finding::problem("data folder", format!("{shown} cannot be written by this user"))
                .means("a node that runs as this user does not start")
                .next("run this as the user of the node, or give the folder to it"),
        );
    } else if found.permissions().mode() & 0o002 != 0 {
        report.add(
            Finding::warning("data folder", format!("anybody on this machine may write {shown}"))
                .means("log, stores and keys can be exchanged by others")
                .next(format!("chmod o-w {shown}")),
        );
    } else if found.permissions().mode() & others(config) != 0 {
        report.add(
            Finding::warning("data folder", format!("others on this machine may read {shown}"))
                .means("reasons of holds and names of cases lie there readable")
                .next("start a node of this release: it closes the folder and all that is in it"),
        );
    } else {
        report.add(Finding::ok("data folder", format!("{shown} can be written")));
    }
    if import_marker(folder).exists() {
        report.add(
            Finding::problem("data folder", "an import of a log did not come to its end")
                .code(codes::IMPORT_UNFINISHED)
                .means("the log is a part of the one that was imported; a node does not start on it")
                .next("run the same `daybook log import` again: it goes on where it ended"),
        );
    }
}

/// The bits of a mode that others must not have.
fn others(config: &Config) -> u32 {
    if FileAccess::parse(&config.node.file_access).lets_group_in() { 0o007 } else { 0o077 }
}

fn disk(config: &Config, report: &mut Report) {
    let Some(free) = free_bytes(existing(&config.node.data_dir)) else { return };
    let (free, reserve) = (free >> 20, config.store.disk_reserve_mib);
    let found = format!("{free} MiB are free");
    if free < reserve {
        report.add(
            Finding::problem("disk", found)
                .code(codes::DISK_NEARLY_FULL)
                .means(format!("less than store.disk_reserve_mib = {reserve}: a node takes no commands"))
                .next("make space; a node goes on by itself"),
        );
    } else if free < 2 * reserve {
        report.add(
            Finding::warning("disk", found)
                .means(format!("below {reserve} MiB a node takes no commands any more"))
                .next("make space, or a larger disk"),
        );
    } else {
        report.add(Finding::ok("disk", found));
    }
}

/// The path itself, or the nearest folder above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
}

/// Files that only their owner should be able to read.
fn secrets(config: &Config, config_file: Option<&Path>, report: &mut Report) {
    let made = ["development/master-key", "development/signing-key.der"].map(|name| config.node.data_dir.join(name));
    let named = [&config.keys.master_key_file, &config.checkpoints.key_file, &config.tls.private_key];
    let fatal = made.iter().chain(named.into_iter().flatten()).map(|file| file.as_path());
    for file in fatal.chain(config_file) {
        let Err(exposed) = check_secret(config, file) else { continue };
        // A node serves with a key of TLS that a group may read, as many systems have it, and with any configuration file.
        let is_fatal = config.tls.private_key.as_deref() != Some(file) && config_file != Some(file);
        let finding = if is_fatal {
            Finding::problem("secrets", &exposed).code(exposed.code()).means("a node does not start with it")
        } else {
            Finding::warning("secrets", &exposed).means("a secret that others can read is none")
        };
        report.add(finding.next(format!("chmod 600 {}", file.display())));
    }
}
