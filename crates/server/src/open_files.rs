//! How many files the process may open, and who gets them. Log, stores and keys come first: a node whose sockets take
//! them all could not rotate its write-ahead log.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that everything else needs: sockets to brokers and other nodes, the program's own files.
const OTHERS: usize = 128;
/// Files of one database that are open at once, at most; it opens and closes them as it needs them.
const DATABASE_MAX: usize = 512;
/// And at least: below this it would do nothing else.
const DATABASE_MIN: usize = 24;

/// How files are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// Of one database.
    pub(crate) per_database: usize,
    /// Connections.
    pub(crate) connections: usize,
}

impl OpenFiles {
    /// Raises the soft limit of the process to its hard limit, and shares out what there is.
    pub(crate) fn plan(databases: usize, connections_wanted: usize) -> Self {
        let limit = raise();
        let plan = Self::of(limit, databases, connections_wanted);
        if plan.connections < connections_wanted {
            tracing::warn!(
                limit,
                connections = plan.connections,
                wanted = connections_wanted,
                "fewer connections than configured: the process may not open more files (ulimit -n, LimitNOFILE)"
            );
        }
        plan
    }

    fn of(limit: usize, databases: usize, connections_wanted: usize) -> Self {
        // Half of what there is for the databases, as long as they do not have what they need.
        let per_database = (limit.saturating_sub(OTHERS) / 2 / databases.max(1)).clamp(DATABASE_MIN, DATABASE_MAX);
        let left = limit.saturating_sub(OTHERS + per_database * databases);
        Self { per_database, connections: connections_wanted.min(left.max(16)) }
    }
}

/// Raises the soft limit to the hard one, and tells what it is then. systemd's default soft limit is 1,024, for programs
/// that use `select`; its hard limit is half a million.
fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current, limit.maximum);
    if soft != hard
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_take_what_the_databases_need() {
        for limit in [256, 1_024, 4_096, 65_536, 524_288, usize::MAX] {
            for databases in [2, 10, 66] {
                let plan = OpenFiles::of(limit, databases, 10_000);
                assert!(plan.connections >= 16 && (DATABASE_MIN..=DATABASE_MAX).contains(&plan.per_database));
                let needed = plan.per_database * databases + OTHERS + plan.connections;
                assert!(
                    limit < DATABASE_MIN * databases + OTHERS + 16 || needed <= limit,
                    "{limit}, {databases}: {plan:?}"
                );
            }
        }
        assert_eq!(OpenFiles::of(524_288, 10, 10_000), OpenFiles { per_database: 512, connections: 10_000 });
        let tight = OpenFiles::of(1_024, 10, 10_000);
        assert_eq!(tight, OpenFiles { per_database: 44, connections: 456 });
    }
}
