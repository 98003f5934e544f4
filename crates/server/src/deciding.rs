//! Commands that must not be decided again, because deciding them has stopped this node's process before.
//!
//! In ordinary times nothing is written. A thread looks four times a second which command each partition decides. One that
//! takes more than a second of the processor is noted in a file of the data folder; one that takes more than
//! `limits.deciding_seconds` is noted as such, and the process ends itself, so that its supervisor starts it again. Time of
//! the processor is counted, not time on a clock: a node that was paused, starved or waited for its disk has decided nothing
//! meanwhile.
//!
//! A decision may also end the process at once (memory, stack). So after a start that follows no clean stop, every command
//! that was on the log by then is noted before it is decided. A command that was noted by three processes in a row, all of
//! which ended while they decided it, is treated like one that takes too long.
//!
//! ```text
//!   <data folder>/deciding/running      there is a process, or it did not stop cleanly
//!   <data folder>/deciding/0003         the command of partition 3: genesis, offset, deaths, milliseconds
//! ```
//!
//! The notes are this node's own. Where several nodes share a log, the others do not see them: each of them may try the
//! command until it is noted there as well.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use daybook_kernel::chain::Head;
use daybook_kernel::code::DECIDER_STOPPED;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Log, LogError, Topic};
use daybook_proto::log::v1::Parked;
use daybook_runtime::DecidingWatch;
use parking_lot::Mutex;

/// How often the thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// From when on a command is noted, in time of the processor.
const NOTED_AFTER: Duration = Duration::from_secs(1);
/// Processes that must have ended while they decided a command.
const DEATHS_MAX: u32 = 3;

/// What is known of a command that was being decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    command: Offset,
    /// Processes that began to decide it and, unless one of them does now, ended over it.
    deaths: u32,
    /// Time of the processor that deciding it has taken, in all processes.
    spent: Duration,
}

/// What is being decided, and what must not be decided again.
pub(crate) struct Deciding {
    folder: PathBuf,
    budget: Duration,
    partitions: Vec<Slot>,
}

struct Slot {
    genesis: String,
    /// The command, plus one; 0: none.
    command: AtomicU64,
    /// The thread that decides it.
    thread: AtomicU64,
    /// Every command before this one is noted before it is decided.
    careful_before: AtomicU64,
    /// What an earlier process noted.
    known: Mutex<Option<Note>>,
    is_known: AtomicBool,
}

/// What is done when a command takes too long, after it was noted: the process ends.
pub(crate) type End = Box<dyn Fn() + Send>;

impl Deciding {
    /// Reads what earlier processes noted, and starts to look. The log must be this process's own by now.
    pub(crate) async fn start(
        data_dir: &Path,
        log: &dyn Log,
        budget: Duration,
        end: End,
    ) -> Result<Arc<Self>, DecidingError> {
        let folder = data_dir.join("deciding");
        let shown = folder.display().to_string();
        let failed = |error: std::io::Error| DecidingError::Folder(format!("{shown}: {error}"));
        fs::create_dir_all(&folder).map_err(failed)?;
        let was_running = folder.join("running").exists();
        fs::write(folder.join("running"), b"").map_err(failed)?;
        let mut partitions = Vec::new();
        for partition in (0..log.partitions()).map(PartitionId) {
            let genesis = Head::genesis(log.name(), log.partitions(), partition).hash.to_hex();
            let file = file(&folder, partition);
            let note = read(&file, &genesis);
            if note.is_none() {
                forget(&file);
            }
            let careful = was_running || note.is_some();
            let tail = if careful { log.bounds(Topic::Commands, partition).await?.next } else { Offset(0) };
            partitions.push(Slot {
                genesis,
                command: AtomicU64::new(0),
                thread: AtomicU64::new(0),
                careful_before: AtomicU64::new(tail.0),
                is_known: AtomicBool::new(note.is_some()),
                known: Mutex::new(note),
            });
        }
        let deciding = Arc::new(Self { folder, budget, partitions });
        let watched = Arc::downgrade(&deciding);
        let look = move || look_for_ever(&watched, &end);
        std::thread::Builder::new().name("deciding-watch".to_owned()).spawn(look).map_err(failed)?;
        Ok(deciding)
    }

    /// The node has stopped, and decides nothing any more. What is still being decided stays noted.
    pub(crate) fn stopped_cleanly(&self) {
        let mut is_clean = true;
        for (partition, slot) in (0..).map(PartitionId).zip(&self.partitions) {
            if slot.command.load(Ordering::Acquire) == 0 {
                forget(&file(&self.folder, partition));
            } else {
                is_clean = false;
            }
        }
        if is_clean {
            forget(&self.folder.join("running"));
        }
    }

    fn note(&self, partition: PartitionId, slot: &Slot, command: Offset, spent: Duration) {
        let known = slot.known.lock().filter(|known| known.command == command);
        // It counts as a death until the command is behind: should the process end now, nobody is left to write.
        let note = match known {
            Some(known) => Note { deaths: known.deaths + 1, spent: known.spent.saturating_add(spent), ..known },
            None => Note { command, deaths: 1, spent },
        };
        if let Err(error) = write(&file(&self.folder, partition), &slot.genesis, &note) {
            tracing::warn!(partition = partition.0, %error, "what is being decided could not be noted");
        }
    }

    fn is_too_much(&self, note: &Note) -> bool {
        note.deaths >= DEATHS_MAX || (!self.budget.is_zero() && note.spent >= self.budget)
    }
}

impl DecidingWatch for Deciding {
    fn stopped(&self, partition: PartitionId, command: Offset) -> Option<Parked> {
        let slot = self.partitions.get(partition.0 as usize)?;
        if !slot.is_known.load(Ordering::Acquire) {
            return None;
        }
        let note = slot.known.lock().filter(|note| note.command == command && self.is_too_much(note))?;
        let reason = if note.deaths >= DEATHS_MAX {
            format!("{} processes of this node ended while they decided it", note.deaths)
        } else {
            let (spent, budget) = (note.spent.as_secs(), self.budget.as_secs());
            format!(
                "deciding it took {spent} seconds of the processor and may take {budget}, and did not come to an end"
            )
        };
        Some(Parked { code: DECIDER_STOPPED.name.to_owned(), reason })
    }

    fn begins(&self, partition: PartitionId, command: Offset) {
        let Some(slot) = self.partitions.get(partition.0 as usize) else { return };
        if slot.is_known.load(Ordering::Acquire) {
            let mut known = slot.known.lock();
            // What comes later is decided: what was noted is behind.
            if known.is_some_and(|known| known.command < command) {
                *known = None;
                slot.is_known.store(false, Ordering::Release);
                forget(&file(&self.folder, partition));
            }
        }
        let careful_before = slot.careful_before.load(Ordering::Relaxed);
        if command.0 < careful_before {
            self.note(partition, slot, command, Duration::ZERO);
        } else if careful_before > 0 {
            slot.careful_before.store(0, Ordering::Relaxed);
            if !slot.is_known.load(Ordering::Acquire) {
                forget(&file(&self.folder, partition));
            }
        }
        slot.thread.store(this_thread(), Ordering::Relaxed);
        slot.command.store(command.0 + 1, Ordering::Release);
    }

    fn ended(&self, partition: PartitionId) {
        if let Some(slot) = self.partitions.get(partition.0 as usize) {
            slot.command.store(0, Ordering::Release);
        }
    }
}

/// Why it cannot be watched over deciding.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecidingError {
    /// The notes cannot be kept.
    #[error("{0}; nothing was started; make the data folder writable")]
    Folder(String),
    /// The log does not say where it ends.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A command that the thread has seen before.
#[derive(Clone, Copy)]
struct Seen {
    command: u64,
    thread: u64,
    /// Time of the processor that the thread had used when the command was seen first.
    used: Duration,
    noted: Duration,
}

fn look_for_ever(deciding: &Weak<Deciding>, end: &End) {
    let mut seen: Vec<Option<Seen>> = Vec::new();
    loop {
        std::thread::sleep(LOOK_EVERY);
        let Some(deciding) = deciding.upgrade() else { return };
        seen.resize(deciding.partitions.len(), None);
        for (partition, (slot, seen)) in (0..).map(PartitionId).zip(deciding.partitions.iter().zip(&mut seen)) {
            let command = slot.command.load(Ordering::Acquire);
            let thread = slot.thread.load(Ordering::Relaxed);
            let used = (command > 0).then(|| time_used(thread)).flatten();
            let Some(used) = used else {
                *seen = None;
                continue;
            };
            match seen {
                Some(seen) if (seen.command, seen.thread) == (command, thread) => {
                    let spent = used.saturating_sub(seen.used);
                    if spent.saturating_sub(seen.noted) < NOTED_AFTER {
                        continue;
                    }
                    seen.noted = spent;
                    deciding.note(partition, slot, Offset(command - 1), spent);
                    let known = slot.known.lock().filter(|known| known.command.0 + 1 == command);
                    let before = known.map_or(Duration::ZERO, |known| known.spent);
                    if !deciding.budget.is_zero() && before.saturating_add(spent) >= deciding.budget {
                        let (partition, command) = (partition.0, command - 1);
                        tracing::error!(
                            partition,
                            command,
                            seconds = spent.as_secs(),
                            "deciding this command does not come to an end: this process ends itself, and the next one \
                             parks the command"
                        );
                        end();
                    }
                }
                _ => *seen = Some(Seen { command, thread, used, noted: Duration::ZERO }),
            }
        }
    }
}

fn file(folder: &Path, partition: PartitionId) -> PathBuf {
    folder.join(format!("{:04}", partition.0))
}

/// What is noted of a partition of this log. What cannot be read, or is of another log, says nothing.
fn read(file: &Path, genesis: &str) -> Option<Note> {
    let text = fs::read_to_string(file).ok()?;
    let mut words = text.split_whitespace();
    if words.next()? != genesis {
        return None;
    }
    let mut number = || words.next()?.parse::<u64>().ok();
    let (command, deaths, spent) = (number()?, number()?, number()?);
    Some(Note {
        command: Offset(command),
        deaths: u32::try_from(deaths).unwrap_or(u32::MAX),
        spent: Duration::from_millis(spent),
    })
}

/// Not synced: a process may end, and the machine goes on. Numbers have one width, so that none is left half over another.
fn write(file: &Path, genesis: &str, note: &Note) -> std::io::Result<()> {
    let spent = u64::try_from(note.spent.as_millis()).unwrap_or(u64::MAX);
    let mut open = File::options().write(true).create(true).truncate(false).open(file)?;
    open.write_all(format!("{genesis} {:020} {:010} {spent:020}\n", note.command.0, note.deaths).as_bytes())
}

/// What cannot be removed is read again at the next start, and is behind by then.
fn forget(file: &Path) {
    let _ = fs::remove_file(file);
}

/// The number of this thread, as the system has it; 0 where that is not known.
fn this_thread() -> u64 {
    thread_local! {
        static THREAD: u64 = own_number().unwrap_or_default();
    }
    fn own_number() -> Option<u64> {
        // "<process>/task/<thread>"
        fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
    }
    THREAD.with(|thread| *thread)
}

/// Time of the processor that a thread has used: fields 14 and 15 of proc_pid_stat(5), in hundredths of a second. `None`
/// where the system does not tell.
fn time_used(thread: u64) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
    // The second field, the name in brackets, may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Instant;

    use daybook_log::{Durability, MemoryLog};

    use super::*;

    const P1: PartitionId = PartitionId(1);

    struct Home {
        folder: tempfile::TempDir,
        log: MemoryLog,
        ends: Arc<AtomicU32>,
    }

    impl Home {
        fn new() -> Self {
            let (folder, log) = (tempfile::tempdir().unwrap(), MemoryLog::new("test", 2));
            Self { folder, log, ends: Arc::default() }
        }

        async fn with_commands(count: u64) -> Self {
            let home = Self::new();
            for _ in 0..count {
                home.log.append(Topic::Commands, P1, bytes::Bytes::new(), Durability::Synced).await.unwrap();
            }
            home
        }

        async fn start(&self, budget: Duration) -> Arc<Deciding> {
            let ends = Arc::clone(&self.ends);
            let end = Box::new(move || {
                ends.fetch_add(1, Ordering::SeqCst);
            });
            Deciding::start(self.folder.path(), &self.log, budget, end).await.unwrap()
        }

        fn noted(&self) -> bool {
            self.folder.path().join("deciding/0001").exists()
        }
    }

    fn burn(until: impl Fn() -> bool) {
        let started = Instant::now();
        while !until() && started.elapsed() < Duration::from_secs(60) {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_ends_the_process_and_is_not_decided_again() {
        let home = Home::new();
        let deciding = home.start(Duration::from_secs(2)).await;
        assert_eq!(deciding.stopped(P1, Offset(7)), None);
        deciding.begins(P1, Offset(7));
        burn(|| home.ends.load(Ordering::SeqCst) > 0);
        assert!(home.ends.load(Ordering::SeqCst) > 0, "the process was to end");
        drop(deciding);
        let next = home.start(Duration::from_secs(2)).await;
        let parked = next.stopped(P1, Offset(7)).unwrap();
        assert_eq!(parked.code, "DECIDER_STOPPED");
        assert!(parked.reason.contains("may take 2"), "{}", parked.reason);
        assert_eq!(next.stopped(P1, Offset(8)), None, "the next one is decided");
        assert_eq!(next.stopped(PartitionId(0), Offset(7)), None);
        next.begins(P1, Offset(8));
        next.ended(P1);
        assert!(!home.noted(), "it is behind");
        next.stopped_cleanly();
        assert_eq!(home.start(Duration::from_secs(2)).await.stopped(P1, Offset(7)), None);
    }

    #[tokio::test]
    async fn what_waits_for_something_else_is_not_taken_for_one_that_takes_too_long() {
        let home = Home::new();
        let deciding = home.start(Duration::from_secs(1)).await;
        deciding.begins(P1, Offset(7));
        std::thread::sleep(Duration::from_millis(2_500));
        assert_eq!(home.ends.load(Ordering::SeqCst), 0, "it used no time of the processor");
        assert!(!home.noted());
        deciding.ended(P1);
    }

    #[tokio::test]
    async fn a_command_over_which_three_processes_ended_is_not_decided_by_the_fourth() {
        let home = Home::with_commands(5).await;
        // Nothing is known of the command over which the first one ends.
        let first = home.start(Duration::ZERO).await;
        first.begins(P1, Offset(3));
        assert!(!home.noted(), "nothing is written in ordinary times");
        drop(first);
        for death in 1..=DEATHS_MAX {
            let next = home.start(Duration::ZERO).await;
            assert_eq!(next.stopped(P1, Offset(3)), None, "it is tried: {death}");
            next.begins(P1, Offset(2));
            next.ended(P1);
            next.begins(P1, Offset(3));
        }
        // The notes of a command before it do not make it forgotten: what is noted is the last one that was begun.
        let last = home.start(Duration::ZERO).await;
        let parked = last.stopped(P1, Offset(3)).unwrap();
        assert!(parked.reason.contains("3 processes"), "{}", parked.reason);
    }

    #[tokio::test]
    async fn a_node_that_is_killed_again_and_again_parks_nothing_that_can_be_decided() {
        let home = Home::with_commands(100).await;
        for killed in 0..50 {
            let deciding = home.start(Duration::ZERO).await;
            for command in killed..killed + 5 {
                assert_eq!(deciding.stopped(P1, Offset(command)), None);
                deciding.begins(P1, Offset(command));
                deciding.ended(P1);
            }
            // Killed while the next one is decided; the decisions up to here are durable, more or less.
            deciding.begins(P1, Offset(killed + 5));
        }
    }

    #[tokio::test]
    async fn notes_of_another_log_say_nothing() {
        let home = Home::with_commands(5).await;
        drop(home.start(Duration::ZERO).await);
        for _ in 0..=DEATHS_MAX {
            home.start(Duration::ZERO).await.begins(P1, Offset(3));
        }
        let other = Home { log: MemoryLog::new("other", 2), ..home };
        assert_eq!(other.start(Duration::ZERO).await.stopped(P1, Offset(3)), None);
        assert!(!other.noted());
    }
}
