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
mod session;
mod units;

use std::process::ExitCode;

use clap::Parser;

use args::Arguments;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.global.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            ExitCode::FAILURE
        }
    }
}
