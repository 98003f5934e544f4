//! The newest checkpoint: is the log at least as long? Whether it passes through it takes a walk.

use std::fs;
use std::path::PathBuf;

use daybook_checkpoint::{CheckpointError, Seen as SeenOfPartition, Signed, judge};
use daybook_server::checkpoints_folder;
use daybook_server::config::Config;

use super::finding::{Finding, Report};
use super::log::Seen;

/// Looks at the newest checkpoint, if there is one.
pub(super) fn look(config: &Config, seen: Option<&Seen>, report: &mut Report) {
    let Some(newest) = newest(config) else { return };
    let name = newest.display();
    let unreadable = |error: String| {
        Finding::warning("checkpoints", format!("{name}: {error}"))
            .means("it proves nothing")
            .next("see whether the others there can be read, and take a copy from where they are kept")
    };
    let signed = match fs::read_to_string(&newest) {
        Ok(text) => Signed::from_json(&text),
        Err(error) => return report.add(unreadable(error.to_string())),
    };
    let checkpoint = match signed.as_ref().map_err(Clone::clone).and_then(|signed| signed.verified(None)) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return report.add(unreadable(error.to_string()).code(error.code())),
    };
    let Some(seen) = seen else { return };
    if let Err(error) = checkpoint.is_of(seen.log.name(), seen.log.partitions()) {
        return report.add(unreadable(error.to_string()).code(error.code()));
    }
    let mut cut_off = Vec::new();
    for (mark, [commands, decisions]) in checkpoint.heads.iter().zip(&seen.bounds) {
        let ends = SeenOfPartition { decisions_next: decisions.next.0, commands_next: commands.next.0, head: None };
        // Without a walk nobody knows the head; the ends are judged first.
        cut_off.extend(
            judge(checkpoint, mark, &ends).err().filter(|error| matches!(error, CheckpointError::CutOff { .. })),
        );
    }
    match cut_off.first() {
        None => report.add(
            Finding::ok("checkpoints", format!("the log is at least as long as at {}", checkpoint.made_at))
                .means(format!("`daybook log verify --against {name}` shows that nothing before it was rewritten")),
        ),
        Some(error) => report.add(
            Finding::problem("checkpoints", error)
                .code(error.code())
                .means("records that were there are gone: an older copy of the log was put back, or its end was lost")
                .next("do not start a node on it; put a copy back that passes through the checkpoint"),
        ),
    }
}

/// The checkpoint with the latest time in its name.
fn newest(config: &Config) -> Option<PathBuf> {
    let entries = fs::read_dir(checkpoints_folder(config)).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let is_checkpoint = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("checkpoint-") && name.ends_with(".json")
    };
    entries.filter(is_checkpoint).max()
}
