//! A network of its own for some processes, which can be cut off: a network namespace with one cable (a veth pair) to that
//! of the test. Needs the right to administer networks (CAP_NET_ADMIN) and iproute2's `ip`.

use std::process::{Command, Output};

use super::daybook;

/// A network with one cable to the network of the test. Gone when it is dropped, with everything that runs in it cut off.
pub struct Network {
    /// Its name.
    pub namespace: String,
    /// Two addresses at this end of the cable. Who calls from here has the first.
    pub here: [String; 2],
    /// The address at the other end.
    pub there: String,
}

impl Network {
    /// Makes one, or says why it cannot.
    pub fn new() -> Result<Self, String> {
        // Names and addresses that no other run of a test on this machine has: a private /24 by process id.
        let pid = std::process::id();
        let prefix = format!("10.{}.{}", 128 + pid / 256 % 64, pid % 256);
        let network = Self {
            namespace: format!("daybook-{pid}"),
            here: [format!("{prefix}.1"), format!("{prefix}.2")],
            there: format!("{prefix}.3"),
        };
        let Self { namespace, here: [first, second], there } = &network;
        let cable = format!("daybook{pid}");
        ip(&["netns", "add", namespace])?;
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", namespace])?;
        ip(&["address", "add", &format!("{first}/24"), "dev", &cable])?;
        ip(&["address", "add", &format!("{second}/24"), "dev", &cable])?;
        ip(&["link", "set", &cable, "up"])?;
        ip(&["-n", namespace, "address", "add", &format!("{there}/24"), "dev", "eth0"])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", namespace, "link", "set", "eth0", "up"])?;
        Ok(network)
    }

    /// Pulls the cable.
    pub fn cut(&self) {
        ip(&["-n", &self.namespace, "link", "set", "eth0", "down"]).unwrap();
    }

    /// Puts the cable back.
    pub fn heal(&self) {
        ip(&["-n", &self.namespace, "link", "set", "eth0", "up"]).unwrap();
    }

    /// Loses everything that goes to one address at this end; the other one is still reached.
    pub fn cut_from(&self, address: &str) {
        ip(&["-n", &self.namespace, "route", "add", "blackhole", &format!("{address}/32")]).unwrap();
    }

    /// Loses it no more.
    pub fn heal_to(&self, address: &str) {
        ip(&["-n", &self.namespace, "route", "del", "blackhole", &format!("{address}/32")]).unwrap();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The cable goes with it.
        let _ = ip(&["netns", "delete", &self.namespace]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output();
    let Output { status, stderr, .. } = output.map_err(|error| format!("ip cannot be run: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr).trim()))
}

/// The program, in a network namespace.
pub fn daybook_in(namespace: &str) -> Command {
    let plain = daybook();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(plain.get_program());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
