//! The node that the demo uses.

use std::path::Path;
use std::time::Duration;

use daybook_proto::node::v1::{GetStatusRequest, GetStatusResponse};
use daybook_server::config::Config;
use daybook_server::serve::Running;
use jiff::Timestamp;

use crate::args::Global;
use crate::client::{Client, ClientTls};
use crate::failure::{Failure, Outcome};
use crate::session::{Session, Who};

/// A node in development mode, with a tenant that is the demo's own.
pub(crate) struct DemoNode {
    global: Global,
    own: Option<Running>,
    /// How the node is configured.
    pub(crate) config: Config,
    /// Where it is.
    pub(crate) address: String,
    /// The log it is on.
    pub(crate) log: String,
    /// The demo's tenant.
    pub(crate) tenant: String,
}

impl DemoNode {
    /// The node that runs where the configuration says; else, or if a log is named, one of the demo's own with these
    /// settings, whose data go with it.
    pub(crate) async fn find_or_start(
        global: &Global,
        log: Option<&str>,
        folder: &Path,
        settings: impl FnOnce(&mut Config),
    ) -> Outcome<Self> {
        let config = global.config()?;
        let named = global.tenant.clone();
        let tenant = named.unwrap_or_else(|| format!("demo-{}", Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f")));
        let mut node = Self {
            global: global.clone(),
            own: None,
            address: global.server(&config).unwrap_or_default(),
            log: config.log.url.clone(),
            config,
            tenant,
        };
        if log.is_none() {
            match node.status().await {
                Ok(status) if status.development => {
                    node.log = status.log;
                    return Ok(node);
                }
                Ok(_) => {
                    let message = format!("the node at {} is not in development mode", node.address);
                    return Err(Failure::new(message)
                        .hint("the demo moves the clock, and a node with real data does not let it"));
                }
                // Somebody who names a node means that one.
                Err(failure) if global.server.is_some() => return Err(failure),
                Err(_) => {}
            }
        }
        settings(&mut node.config);
        node.start(log, folder).await?;
        Ok(node)
    }

    async fn start(&mut self, log: Option<&str>, folder: &Path) -> Outcome {
        let config = &mut self.config;
        config.node.development = true;
        config.node.data_dir = folder.to_owned();
        config.listen.address.set_port(0);
        config.listen.metrics_address.set_port(0);
        if let Some(log) = log {
            config.log.url = log.to_owned();
        }
        // Beside whatever else is on the brokers.
        config.log.name = format!("daybook-{}", self.tenant);
        config.check()?;
        let running = Running::start(config.clone(), None).await?;
        self.address = format!("http://{}", running.address);
        self.own = Some(running);
        self.log = self.status().await?.log;
        Ok(())
    }

    async fn status(&self) -> Outcome<GetStatusResponse> {
        self.session("operator", &["admin"])?.client.ask(&GetStatusRequest {}).await
    }

    /// Somebody's way to ask the node.
    pub(crate) fn session(&self, subject: &str, roles: &[&str]) -> Outcome<Session> {
        self.session_of(subject, roles, false)
    }

    /// The way of a program.
    pub(crate) fn program(&self, name: &str) -> Outcome<Session> {
        self.session_of(name, &["service"], true)
    }

    fn session_of(&self, subject: &str, roles: &[&str], service: bool) -> Outcome<Session> {
        let who = Who {
            subject: subject.to_owned(),
            tenants: vec![self.tenant.clone(), "platform".to_owned()],
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            service,
            valid_for: Duration::from_secs(3_600),
        };
        let token = self.global.mint(&self.config, &who)?;
        let identity = self.global.client_cert.clone().zip(self.global.client_key.clone());
        let tls = ClientTls { ca: self.global.ca.clone(), identity };
        let client = Client::new(&self.address, &token, &tls)?;
        Ok(Session { tenant: self.tenant.clone(), client, json: self.global.json })
    }

    /// Whether the tenant is the demo's own: nobody named one that is there already.
    pub(crate) fn is_own_tenant(&self) -> bool {
        self.global.tenant.is_none()
    }

    /// Where to look further.
    pub(crate) fn hints(&self, commands: &str) -> Vec<String> {
        match &self.own {
            None => vec![format!("look around: daybook --tenant {} {commands}", self.tenant)],
            Some(_) if self.config.log.kafka_brokers().is_some() => {
                let name = &self.config.log.name;
                vec![format!("the topics {name}.commands and {name}.decisions stay on the brokers")]
            }
            Some(_) => vec![
                "the demo's node and its data are gone again; `daybook serve --dev` starts one that stays".to_owned(),
            ],
        }
    }

    /// Stops a node of the demo's own.
    pub(crate) async fn stop(self) {
        if let Some(running) = self.own {
            running.stop().await;
        }
    }
}
