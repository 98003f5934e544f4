//! How a broker is configured: KRaft, broker and controller in one process.

use std::net::TcpListener;
use std::path::Path;

use anyhow::Result;

/// Where a broker is, and what it has in common with the others of its cluster.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) node_id: usize,
    /// The address that it listens on.
    pub(super) host: String,
    pub(super) port: u16,
    controller_port: u16,
    /// All controllers, as `controller.quorum.voters` wants them.
    voters: String,
    /// How many brokers hold each record of Kafka's own topics.
    replication: usize,
}

impl Place {
    /// Places for so many brokers of one cluster, on free ports.
    pub(super) fn several(host: &str, count: usize) -> Result<Vec<Self>> {
        // All at once, so that they differ.
        let listeners = (0..2 * count).map(|_| TcpListener::bind((host, 0))).collect::<Result<Vec<_>, _>>()?;
        let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<Vec<_>>>()?;
        let (ports, controller_ports) = ports.split_at(count);
        let voters = (1..).zip(controller_ports).map(|(id, port)| format!("{id}@{host}:{port}")).collect::<Vec<_>>();
        let voters = voters.join(",");
        let place = |(node_id, (port, controller_port)): (usize, (&u16, &u16))| Self {
            node_id,
            host: host.to_owned(),
            port: *port,
            controller_port: *controller_port,
            voters: voters.clone(),
            replication: count,
        };
        Ok((1..).zip(ports.iter().zip(controller_ports)).map(place).collect())
    }

    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The content of `server.properties`.
    pub(super) fn properties(&self, data: &Path) -> String {
        let Self { node_id, host, port, controller_port, voters, replication } = self;
        // A majority of them; alone, the one there is.
        let in_sync = replication / 2 + 1;
        format!(
            "process.roles=broker,controller\n\
             node.id={node_id}\n\
             controller.quorum.voters={voters}\n\
             listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}\n\
             advertised.listeners=PLAINTEXT://{host}:{port}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             log.dirs={}\n\
             offsets.topic.num.partitions=1\n\
             offsets.topic.replication.factor={replication}\n\
             transaction.state.log.replication.factor={replication}\n\
             transaction.state.log.min.isr={in_sync}\n\
             share.coordinator.state.topic.replication.factor={replication}\n\
             share.coordinator.state.topic.min.isr={in_sync}\n\
             group.initial.rebalance.delay.ms=0\n\
             log.cleaner.backoff.ms=200\n\
             auto.create.topics.enable=false\n",
            data.display()
        )
    }
}
