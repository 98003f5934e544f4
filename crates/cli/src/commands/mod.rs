//! One file for each group of commands.

mod analytics;
mod archive;
mod checkpoint;
mod completions;
mod config;
mod demo;
mod doctor;
mod explain;
mod export;
mod export_check;
mod feature_level;
mod hold;
mod inbox;
mod item;
mod log;
mod node;
mod platform;
mod policy;
mod projection;
mod replay;
mod retention;
mod segments;
mod serve;
mod snapshot;
mod tail;
mod token;

use crate::args::{Arguments, Command};
use crate::failure::Outcome;

/// Does what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let global = &arguments.global;
    match arguments.command {
        Command::Serve(serve) => serve::run(serve, global).await,
        Command::Demo(demo) => demo::run(demo, global).await,
        Command::Status(status) => node::status(status, &global.session()?).await,
        Command::Doctor => doctor::run(global).await,
        Command::Outcome(outcome) => node::outcome(outcome, &global.session()?).await,
        Command::Hold(hold) => hold::run(hold, &global.session()?).await,
        Command::Item(item) => item::run(item, &global.session()?).await,
        Command::Retention(retention) => retention::run(retention, &global.session()?).await,
        Command::Analytics(analytics) => analytics::run(analytics, global).await,
        Command::Tenant(tenant) => platform::tenant(tenant, &global.session()?).await,
        Command::Stream(stream) => platform::stream(stream, &global.session()?).await,
        Command::FeatureLevel(level) => feature_level::run(level, &global.session()?).await,
        Command::Clock(clock) => platform::clock(clock, &global.session()?).await,
        Command::Policy(policy) => policy::run(policy, global).await,
        Command::Inbox(inbox) => inbox::run(inbox, global).await,
        Command::Log(log) => log::run(log, global).await,
        Command::Replay(replay) => replay::run(replay, global).await,
        Command::Snapshot(snapshot) => snapshot::run(snapshot, global).await,
        Command::Projection(projection) => projection::run(projection, &global.session()?).await,
        Command::Token(token) => token::run(&token, global),
        Command::Explain(explain) => explain::run(&explain, global),
        Command::Config(config) => config::run(&config, global),
        Command::Completions(completions) => completions::run(&completions),
    }
}
