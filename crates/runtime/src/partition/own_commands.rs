//! Commands that Daybook gives itself: timers that come due, and outcomes of effects.
//!
//! Both are rows of the state. A row is turned into a command on the log, and the decision of that command removes the
//! row; whatever happens in between, the row is still there for the next owner. The command's id follows from the row,
//! so that it is decided once however often it is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::decide::Place;
use daybook_kernel::id::{CommandId, Offset};
use daybook_kernel::state::Read;
use daybook_kernel::system::{DueTimer, Touched, due_timers, open_effects};
use daybook_kernel::time::Timestamp;
use daybook_log::{Durability, LogError, Topic};
use daybook_proto::log::v1::{self, origin::Source};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use prost::Message;

use super::Partition;
use super::term::Ended;
use crate::effect::RequestedEffect;

/// After a command of our own could not be appended.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A timer, by tenant, id, due time and when it was set.
type TimerKey = (String, String, i64, u64);
/// An effect, by the command that asked for it and its index.
type EffectKey = (Offset, u32);

pub(super) struct OwnCommands<'a> {
    partition: &'a Partition,
    /// Timers that became commands which are not yet decided.
    fired: BTreeSet<TimerKey>,
    /// Effects that run, or whose outcome is not yet decided.
    running: BTreeSet<EffectKey>,
    /// The effect that was started last; those before it are running or done.
    last_started: Option<EffectKey>,
    /// Whether there may be effects after `last_started`.
    more_effects: bool,
    work: FuturesUnordered<BoxFuture<'static, Step>>,
    wake: Option<BoxFuture<'static, ()>>,
}

/// Something of our own came to an end.
pub(super) enum Step {
    /// It is time to look for due timers.
    LookForTimers,
    /// An effect was carried out; this is its outcome.
    EffectDone(RequestedEffect, Vec<u8>),
    /// A command of our own was appended, or not.
    Appended(Own, Result<Offset, LogError>),
}

/// What a command of our own follows from.
#[derive(Debug, Clone)]
pub(super) enum Own {
    Timer(TimerKey),
    Effect(EffectKey),
}

impl<'a> OwnCommands<'a> {
    pub(super) fn new(partition: &'a Partition) -> Self {
        Self {
            partition,
            fired: BTreeSet::new(),
            running: BTreeSet::new(),
            last_started: None,
            more_effects: true,
            work: FuturesUnordered::new(),
            wake: None,
        }
    }

    /// Takes up what the owner before left.
    pub(super) fn start(&mut self, clock_ahead_us: i64) -> Result<(), Ended> {
        self.look_for_work(Touched { timers: true, outbox: true }, clock_ahead_us)
    }

    /// Looks for timers and effects after a change of the state.
    pub(super) fn look_for_work(&mut self, touched: Touched, clock_ahead_us: i64) -> Result<(), Ended> {
        if touched.timers {
            self.fire_timers(clock_ahead_us)?;
        }
        if touched.outbox {
            self.more_effects = true;
        }
        self.start_effects()
    }

    /// The next thing that comes to an end. Never ready while nothing is under way. Cancel safe.
    pub(super) async fn next(&mut self) -> Step {
        let wake = async {
            match &mut self.wake {
                Some(wake) => wake.await,
                None => std::future::pending().await,
            }
        };
        let work = async {
            match self.work.next().await {
                Some(step) => step,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            step = work => step,
            () = wake => Step::LookForTimers,
        }
    }

    /// Goes on from there.
    pub(super) fn handle(&mut self, step: Step) -> Result<(), Ended> {
        match step {
            Step::LookForTimers => {
                self.wake = None;
                let ahead = daybook_kernel::governance::clock_ahead_us(&*self.partition.store.live())?;
                self.fire_timers(ahead)?;
                self.start_effects()
            }
            Step::EffectDone(effect, payload) => {
                let record = effect_command(&effect, payload, self.partition.clock.now());
                self.append(Own::Effect((effect.command, effect.index)), &record);
                Ok(())
            }
            Step::Appended(_, Ok(_)) => Ok(()),
            Step::Appended(own, Err(error)) if error.is_transient() => {
                tracing::warn!(partition = self.partition.id.0, %error, "a command of our own is tried again");
                match own {
                    Own::Timer(key) => {
                        self.fired.remove(&key);
                    }
                    Own::Effect(key) => {
                        self.running.remove(&key);
                        self.last_started = None;
                        self.more_effects = true;
                    }
                }
                self.wake = Some(self.partition.clock.sleep(RETRY_AFTER));
                Ok(())
            }
            Step::Appended(_, Err(error)) => Err(error.into()),
        }
    }

    /// Forgets what was decided.
    pub(super) fn decided(&mut self, decisions: &[(Place, v1::Decision)]) {
        for (_, decision) in decisions {
            match decision.origin.as_ref().and_then(|origin| origin.source.as_ref()) {
                Some(Source::Timer(timer)) => {
                    let due = timer.due_at.as_ref().and_then(|due| Timestamp::from_proto(due).ok()).unwrap_or_default();
                    let key = (decision.tenant_id.clone(), timer.timer_id.clone(), due.as_micros(), timer.set_at);
                    self.fired.remove(&key);
                }
                Some(Source::Effect(effect)) => {
                    self.running.remove(&(Offset(effect.command_offset), effect.index));
                }
                None => {}
            }
        }
    }

    /// Turns due timers into commands, and sleeps until the next is due.
    fn fire_timers(&mut self, clock_ahead_us: i64) -> Result<(), Ended> {
        let partition = self.partition;
        let now = Timestamp::from_micros(partition.clock.now().as_micros().saturating_add(clock_ahead_us));
        let room = partition.limits.timers_fired_max;
        let (due, next) = due_timers(&*partition.store.live(), now, room)?;
        for timer in due {
            let key = (timer.tenant.as_str().to_owned(), timer.id.clone(), timer.due.as_micros(), timer.row.set_at);
            if self.fired.insert(key.clone()) {
                let record = timer_command(partition, &timer);
                self.append(Own::Timer(key), &record);
            }
        }
        // More that is due already is looked at when the fired ones are decided.
        self.wake = next.filter(|next| *next > now).map(|next| partition.clock.sleep(next.since(now)));
        Ok(())
    }

    /// Starts effects whose decision is not durable, which nobody but `daybook_kernel::sabotage` asks for.
    pub(super) fn start_early(&mut self, state: &dyn Read) -> Result<(), Ended> {
        for (key, row) in open_effects(state, self.last_started, usize::MAX)? {
            if self.running.insert(key) {
                let effect = RequestedEffect { partition: self.partition.id, command: key.0, index: key.1, row };
                self.work.push(carry_out(self.partition, effect));
            }
        }
        Ok(())
    }

    /// Starts effects, as far as there is room.
    fn start_effects(&mut self) -> Result<(), Ended> {
        let partition = self.partition;
        while self.more_effects && self.running.len() < partition.limits.effects_running_max {
            let room = partition.limits.effects_running_max - self.running.len();
            let open = open_effects(&*partition.store.live(), self.last_started, room)?;
            self.more_effects = open.len() == room;
            for (key, row) in open {
                self.last_started = Some(key);
                if !self.running.insert(key) {
                    continue;
                }
                let effect = RequestedEffect { partition: partition.id, command: key.0, index: key.1, row };
                self.work.push(carry_out(partition, effect));
            }
        }
        Ok(())
    }

    fn append(&self, own: Own, record: &v1::CommandRecord) {
        let bytes = Bytes::from(record.encode_to_vec());
        let appended = self.partition.log.append(Topic::Commands, self.partition.id, bytes, Durability::WithNextSync);
        self.work.push(async move { Step::Appended(own, appended.await) }.boxed());
    }
}

/// Tries until it succeeds, later and later.
fn carry_out(partition: &Partition, effect: RequestedEffect) -> BoxFuture<'static, Step> {
    const LONGEST_WAIT: Duration = Duration::from_secs(30);
    let (handlers, clock) = (partition.effects.clone(), std::sync::Arc::clone(&partition.clock));
    let store = std::sync::Arc::clone(&partition.store);
    async move {
        let mut wait = Duration::from_millis(50);
        loop {
            let failed = match handlers.get(&effect.row.effect) {
                Some(handler) => match handler.run(&effect, &store).await {
                    Ok(payload) => return Step::EffectDone(effect, payload),
                    Err(failed) => failed.to_string(),
                },
                None => "this node cannot carry out effects of this kind".to_owned(),
            };
            metrics::counter!("daybook_effects_failed_total", "effect" => effect.row.effect.clone()).increment(1);
            tracing::warn!(
                partition = effect.partition.0,
                command = effect.command.0,
                effect = effect.row.effect,
                failed,
                retry_in_ms = wait.as_millis(),
                "an effect is tried again"
            );
            clock.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
    .boxed()
}

fn system_actor(id: &str) -> Option<v1::Actor> {
    let kind = v1::actor::Kind::System.into();
    Some(v1::Actor { kind, id: id.to_owned(), ..Default::default() })
}

fn timer_command(partition: &Partition, timer: &DueTimer) -> v1::CommandRecord {
    let due = timer.due.as_micros();
    let from: [&[u8]; 6] = [
        b"timer",
        &partition.id.0.to_be_bytes(),
        timer.tenant.as_str().as_bytes(),
        timer.id.as_bytes(),
        &due.to_be_bytes(),
        &timer.row.set_at.to_be_bytes(),
    ];
    let id = CommandId::derived(timer.due.as_unix_millis(), &from);
    let origin =
        v1::TimerOrigin { timer_id: timer.id.clone(), due_at: Some(timer.due.to_proto()), set_at: timer.row.set_at };
    v1::CommandRecord {
        command_id: Bytes::copy_from_slice(id.as_bytes()),
        tenant_id: timer.tenant.as_str().to_owned(),
        stream_key: timer.row.stream_key.clone(),
        actor: system_actor("timer"),
        received_at: Some(partition.clock.now().to_proto()),
        domain: timer.row.domain.clone(),
        kind: timer.row.kind.clone(),
        payload: timer.row.payload.clone(),
        trace_context: None,
        origin: Some(v1::Origin { source: Some(Source::Timer(origin)) }),
    }
}

fn effect_command(effect: &RequestedEffect, payload: Vec<u8>, now: Timestamp) -> v1::CommandRecord {
    let asked_at = Timestamp::from_micros(effect.row.asked_at_us);
    let id = CommandId::derived(asked_at.as_unix_millis(), &[b"effect", effect.token().as_bytes()]);
    let origin = v1::EffectOrigin { command_offset: effect.command.0, index: effect.index };
    v1::CommandRecord {
        command_id: Bytes::copy_from_slice(id.as_bytes()),
        tenant_id: effect.row.tenant_id.clone(),
        stream_key: effect.row.stream_key.clone(),
        actor: system_actor("effect"),
        received_at: Some(now.to_proto()),
        domain: effect.row.domain.clone(),
        kind: effect.row.reply_kind.clone(),
        payload: payload.into(),
        trace_context: None,
        origin: Some(v1::Origin { source: Some(Source::Effect(origin)) }),
    }
}
