//! Who asks, and the node that is asked.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use daybook_server::FIRST_TENANT;
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use daybook_server::config::Config;
use daybook_server::running;
use prost::{Message, Name};

use crate::args::Global;
use crate::client::{Client, ClientTls};
use crate::failure::{Failure, Outcome};
use crate::output;

/// Roles of a development token, unless others are asked for: all that the shipped policies know, for trying out.
pub(crate) const DEVELOPMENT_ROLES: [&str; 7] =
    ["admin", "analyst", "auditor", "legal", "privacy", "product", "records-manager"];

/// What a command needs to know to ask a node.
pub(crate) struct Session {
    /// The tenant that is meant.
    pub(crate) tenant: String,
    /// The node.
    pub(crate) client: Client,
    /// JSON instead of tables.
    pub(crate) json: bool,
}

impl Global {
    /// The configuration: file, environment, then the command line.
    pub(crate) fn config(&self) -> Outcome<Config> {
        let mut config = Config::load(self.config.as_deref(), std::env::vars())?;
        if let Some(data_dir) = &self.data_dir {
            config.node.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }

    /// The address of the node: the one named; else that of the node which runs on the data folder; else, unless a
    /// folder was named, where the configuration says that it listens.
    pub(crate) fn server(&self, config: &Config) -> Outcome<String> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let folder = config.node.data_dir.display();
        let hint = "or name a node with --server";
        match running::find(&config.node.data_dir) {
            Ok(Some(node)) => return Ok(node.url),
            Ok(None) if self.data_dir.is_some() => {
                return Err(Failure::new(format!("no node runs on the data folder {folder}; nothing was asked"))
                    .hint(format!("start one: daybook serve --data-dir {folder}"))
                    .hint(hint));
            }
            Err(error) if self.data_dir.is_some() => {
                let message = format!("which node runs on the data folder {folder} cannot be read: {error}");
                return Err(Failure::new(message).hint("run this as the user of the node").hint(hint));
            }
            // The node may be elsewhere.
            Ok(None) | Err(_) => {}
        }
        let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", config.listen.address))
    }

    /// The tenant that is meant: the one named, or that of a development node.
    pub(crate) fn tenant(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| FIRST_TENANT.to_owned())
    }

    /// The token that is given: on the command line, in a file, or in the environment.
    fn given_token(&self) -> Outcome<Option<String>> {
        let text = match (&self.token, &self.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(file)) if file.as_os_str() == "-" => io::read_to_string(io::stdin())?,
            (None, Some(file)) => fs::read_to_string(file)
                .map_err(|error| Failure::new(format!("the token file {} cannot be read: {error}", file.display())))?,
            (None, None) => match std::env::var("DAYBOOK_TOKEN") {
                Ok(token) => token,
                Err(_) => return Ok(None),
            },
        };
        let token = text.trim();
        if token.is_empty() {
            return Err(Failure::new("the token is empty; nothing was asked")
                .hint("see what --token-file or DAYBOOK_TOKEN holds"));
        }
        Ok(Some(token.to_owned()))
    }

    /// A token that is minted with the key of a development node.
    pub(crate) fn mint(&self, config: &Config, who: &Who) -> Outcome<String> {
        let key = DevelopmentKey::open(&config.node.data_dir).map_err(|error| {
            Failure::new(format!("no token: {error}")).hint("give one with --token-file or DAYBOOK_TOKEN").hint(
                "on the machine of a development node, name its data folder with --data-dir, and tokens are made here",
            )
        })?;
        let request = TokenRequest {
            subject: &who.subject,
            tenants: &who.tenants,
            roles: &who.roles,
            service: who.service,
            valid_for: who.valid_for,
        };
        key.mint(&request).map_err(Failure::new)
    }

    /// Who asks, as the command line says.
    pub(crate) fn who(&self) -> Who {
        let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
        let mut tenants = vec![self.tenant(), "platform".to_owned()];
        tenants.extend(self.also_tenant.iter().cloned());
        let roles =
            if self.role.is_empty() { DEVELOPMENT_ROLES.map(str::to_owned).to_vec() } else { self.role.clone() };
        Who {
            subject: self.as_user.clone().or(user).unwrap_or_else(|| "operator".to_owned()),
            tenants,
            roles,
            service: false,
            valid_for: Duration::from_secs(300),
        }
    }

    /// Everything that a command needs to ask a node.
    pub(crate) fn session(&self) -> Outcome<Session> {
        self.session_for(&[])
    }

    /// The same, for a command that asks about these tenants.
    pub(crate) fn session_for(&self, tenants: &[String]) -> Outcome<Session> {
        let config = self.config()?;
        let mut who = self.who();
        who.tenants.extend(tenants.iter().cloned());
        let server = self.server(&config)?;
        let given = self.given_token()?;
        let minted_in = given.is_none().then(|| config.node.data_dir.clone());
        let token = given.map_or_else(|| self.mint(&config, &who), Ok)?;
        let identity = self.client_cert.clone().zip(self.client_key.clone());
        let tls = ClientTls { ca: self.ca.clone(), identity };
        let client = Client::new(&server, &token, &tls)?.minted_in(minted_in);
        Ok(Session { tenant: self.tenant(), client, json: self.json })
    }
}

impl Session {
    /// Shows an answer: as JSON where that is wanted, else as `table` shows it.
    pub(crate) fn show<M: Message + Name>(&self, answer: &M, table: impl FnOnce(&M)) -> Outcome {
        if self.json {
            output::json(&output::to_json(answer)?);
        } else {
            table(answer);
        }
        Ok(())
    }
}

/// Somebody to mint a token for.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) subject: String,
    pub(crate) tenants: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) service: bool,
    pub(crate) valid_for: Duration,
}

/// A folder of the program's own below the system's temporary one.
pub(crate) fn scratch(purpose: &str) -> Outcome<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix(&format!("daybook-{purpose}-")).tempdir()?;
    let path = folder.path().to_owned();
    Ok((folder, path))
}
