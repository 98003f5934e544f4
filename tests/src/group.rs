//! Nodes in the group of a log, as processes of their own.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use daybook_kernel::id::PartitionId;
use daybook_log::KafkaOptions;

/// A process that is a member of a group. It is killed when it is dropped.
pub struct Process {
    child: Child,
    assigned: Arc<Mutex<BTreeSet<PartitionId>>>,
}

impl Process {
    /// Starts the program `join_group` at this path.
    pub fn start(program: &str, options: &KafkaOptions, node_id: &str, address: &str) -> Self {
        let mut child = Command::new(program)
            .args([&options.brokers, &options.name, &options.partitions.to_string(), node_id, address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let assigned = Arc::new(Mutex::new(BTreeSet::new()));
        let said = Arc::clone(&assigned);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let partitions = line.split_whitespace().map(|id| PartitionId(id.parse().expect("a number")));
                *said.lock().expect("a lock") = partitions.collect();
            }
        });
        Self { child, assigned }
    }

    /// What it has last said that it is assigned.
    pub fn assigned(&self) -> BTreeSet<PartitionId> {
        self.assigned.lock().expect("a lock").clone()
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
