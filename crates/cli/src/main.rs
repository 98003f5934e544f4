//! The `daybook` program: a node, and everything that people do with one from a terminal.
//!
//! | module | what it does |
//! | --- | --- |
//! | `args` | the command line |
//! | `session` | who asks, and the node that is asked |
//! | `client` | one method call: messages in, messages out, errors with their codes |
//! | `decoded` | commands and decisions of the log, readable |
//! | `offline` | reading a log without a node |
//! | `pages` | lists, page by page |
//! | `output` | tables for people, JSON for programs |
//! | `units` | times and durations as people write them |
//! | `commands` | one file for each group of commands |

mod args;
mod client;
mod commands;
mod decoded;
mod failure;
mod offline;
mod output;
mod pages;
mod period;
mod session;
mod units;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use daybook_server::file_access::FileAccess;

use args::Arguments;

/// How long is waited, when all is done, for threads that still run.
const AFTER_THE_END: Duration = Duration::from_secs(5);

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // What the program writes (logs, stores, keys, exports, checkpoints, copies) is for its user alone.
    FileAccess::Owner.keep_for_process();
    let arguments = Arguments::parse();
    let json = arguments.global.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(commands::run(arguments));
    // A thread that does not come back (a command that is decided without end, a disk that hangs) does not hold up the end.
    runtime.shutdown_timeout(AFTER_THE_END);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            ExitCode::FAILURE
        }
    }
}
