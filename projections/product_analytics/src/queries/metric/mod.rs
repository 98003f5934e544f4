//! A metric, computed.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `definition` | what is wrong with a definition |
//! | `selector`, `split` | which events are meant; what they are split by |
//! | `ranked` | which values of a breakdown are told apart |
//! | `pass` | one pass over the events, actor by actor |
//! | `answers` | the same where events have the properties of the answer that they name |
//! | `by_value` | the same where sessions count under the value of their first event |
//! | `activity` | who was active when, from rollups where that is possible |
//! | `table` | the table that answers |
//! | one for each metric | from the question to its accumulator in [`crate::metrics`], and from there to the table |

mod activity;
mod answers;
mod by_value;
mod copilot;
mod definition;
mod funnel;
mod lifecycle;
mod pass;
mod paths;
mod ranked;
mod retention;
mod selector;
mod sessions;
mod split;
mod table;
mod time_to_insight;
mod usage;

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use daybook_event_rules::profile::Profile;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::Fields;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::First;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, Breakdown, EventSelector, MetricDefinition, PropertyFilter};
use prost_types::Duration;
use roaring::RoaringBitmap;

pub use definition::check_definition;

use crate::catalogue::Catalogue;
use crate::evolve::erased;
use crate::metrics::periods::{self, Calendar, Periods, PeriodsError};
use crate::{NAMESPACE, ProductAnalytics, Tables, codes, day_of};
use pass::Pass;
use selector::{Filter, Selector, Slots};
use split::Split;
use table::Table;

/// Computes a metric.
pub struct QueryMetric;

impl Query for QueryMetric {
    type Request = v1::QueryMetricRequest;
    type Response = v1::QueryMetricResponse;
    type Projection = ProductAnalytics;
    const METHOD: &'static str = "QueryMetric";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        let name = request.metric.as_ref().map_or("", |metric| metric.name.as_str());
        Authorisation::new(NAMESPACE, Self::METHOD, "Metric", if name.is_empty() { "any" } else { name })
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let mut fields = Fields::new();
        let metric = fields.required("metric", request.metric);
        let start_time = fields.required_time("start_time", request.start_time);
        let end_time = fields.required_time("end_time", request.end_time);
        let granularity = match v1::Granularity::try_from(request.granularity) {
            Ok(granularity) => granularity,
            Err(_) => {
                fields.wrong("granularity", "is not a value of this enumeration");
                v1::Granularity::Unspecified
            }
        };
        definition::check_filters(&mut fields, "filters", &request.filters);
        let limit = request.breakdown.as_ref().map_or(0, |breakdown| breakdown.limit);
        fields.check("breakdown.limit", limit <= 100, "must be at most 100");
        fields.finish(())?;
        let metric = defined(tables, metric)?;
        let profile = Profile::of(&tables.profile().get(())?.unwrap_or_default());
        let question = Question {
            tables,
            catalogue: Catalogue::read(tables)?,
            start_ms: start_time.as_micros().div_euclid(1_000),
            end_ms: end_time.as_micros().div_euclid(1_000),
            now_ms: asked.now.as_micros().div_euclid(1_000),
            zone: &request.time_zone,
            granularity,
            filters: &request.filters,
            breakdown: request.breakdown.as_ref(),
            suppress_below: profile.suppress_below,
            recent: Rc::new(activity::recent(tables)?),
            erased: Rc::new(erased(tables)?),
        };
        question.periods(granularity)?;
        let Answer { mut table, events_read, names, looked_at } = match &metric.metric {
            Some(Metric::Usage(usage)) => usage::answer(&question, usage),
            Some(Metric::Funnel(funnel)) => funnel::answer(&question, funnel),
            Some(Metric::Retention(retention)) => retention::answer(&question, retention),
            Some(Metric::Lifecycle(lifecycle)) => lifecycle::answer(&question, lifecycle),
            Some(Metric::Paths(paths)) => paths::answer(&question, paths),
            Some(Metric::Sessions(sessions)) => sessions::answer(&question, sessions),
            Some(Metric::TimeToInsight(metric)) => time_to_insight::answer(&question, metric),
            Some(Metric::Copilot(copilot)) => copilot::answer(&question, copilot),
            None => Err(Violations::one("metric.metric", "must be set").into()),
        }?;
        let (first_day, last_day) = (day_of(question.start_ms), day_of(question.end_ms.saturating_sub(1)));
        let epoch_of = |ms: i64| day_of(ms).div_euclid(i64::from(profile.rotation_days));
        let until = looked_at.end.min(question.now_ms.saturating_add(1)).max(question.end_ms);
        if epoch_of(looked_at.start) != epoch_of(until.saturating_sub(1)) {
            let note = "pseudonyms of actors changed within the period, or the time around it that belongs to the metric: \
                        who was active before and after that counts twice";
            table.notes.push(note.to_owned());
        }
        if !question.erased.is_empty() {
            table.notes.push("actors are being erased: numbers of events can still count theirs".to_owned());
        }
        let changes = activity::changes(tables, &question.recent, &names, first_day, last_day)?;
        Ok(v1::QueryMetricResponse {
            position: None,
            metric: Some(metric),
            columns: table.columns,
            rows: table.rows,
            suppressed_cells: table.suppressed,
            events_read,
            late_events: changes.late_events,
            last_late_at: changes.last_late_at().map(Timestamp::to_proto),
            erased_events: changes.erased_events,
            last_erased_at: changes.last_erased_at().map(Timestamp::to_proto),
            notes: table.notes,
        })
    }
}

/// The definition that is asked for: as it stands in the question, or by name.
fn defined(tables: &Tables<'_>, asked: MetricDefinition) -> Result<MetricDefinition, Refusal> {
    if asked.metric.is_some() {
        let mut fields = Fields::new();
        fields.inside("metric", check_definition(&asked));
        return Ok(fields.finish(asked)?);
    }
    let found = match asked.version {
        0 => tables.metrics().scan_back(First(asked.name.as_str())).next().transpose()?.map(|(_, metric)| metric),
        version => tables.metrics().get((&asked.name, version))?,
    };
    let missing = || {
        let message = format!(
            "no metric {:?} is defined in this tenant{}; list them with `daybook analytics metrics`",
            asked.name,
            if asked.version == 0 { String::new() } else { format!(" with version {}", asked.version) }
        );
        Rejection::new(codes::METRIC_NOT_FOUND, message).with("metric", &asked.name)
    };
    Ok(found.ok_or_else(missing)?)
}

/// What is asked.
struct Question<'a> {
    tables: &'a Tables<'a>,
    catalogue: Catalogue,
    start_ms: i64,
    end_ms: i64,
    now_ms: i64,
    zone: &'a str,
    granularity: v1::Granularity,
    filters: &'a [PropertyFilter],
    breakdown: Option<&'a Breakdown>,
    suppress_below: u64,
    recent: Rc<activity::Recent>,
    erased: Rc<RoaringBitmap>,
}

/// What comes of it.
struct Answer {
    table: Table,
    events_read: u64,
    /// Numbers of the names of the events that it is made of.
    names: BTreeSet<u32>,
    /// Events of these times were looked at to tell actors apart: the range of the question, and what belongs to it.
    looked_at: Range<i64>,
}

impl<'a> Question<'a> {
    fn range(&self) -> Range<i64> {
        self.start_ms..self.end_ms
    }

    /// The periods of the question.
    fn periods(&self, granularity: v1::Granularity) -> Result<Periods, Refusal> {
        self.periods_of(self.start_ms, self.end_ms, granularity)
    }

    fn periods_of(&self, start_ms: i64, end_ms: i64, granularity: v1::Granularity) -> Result<Periods, Refusal> {
        Ok(Periods::new(start_ms, end_ms, self.zone, granularity_of(granularity)).map_err(no_periods)?)
    }

    /// The calendar that the periods of the question are of.
    fn calendar(&self, granularity: v1::Granularity) -> Result<Calendar, Refusal> {
        Ok(Calendar::new(self.zone, granularity_of(granularity)).map_err(no_periods)?)
    }

    /// Days where the question says nothing.
    fn granularity_or_day(&self) -> v1::Granularity {
        match self.granularity {
            v1::Granularity::Unspecified => v1::Granularity::Day,
            granularity => granularity,
        }
    }

    /// A pass over the events of the question that these selectors mean.
    fn pass(&self, selectors: &[&EventSelector]) -> Result<Pass<'a>, Refusal> {
        self.pass_split_by(self.breakdown, selectors)
    }

    /// The same, with nothing told apart.
    fn pass_of_all(&self, selectors: &[&EventSelector]) -> Result<Pass<'a>, Refusal> {
        self.pass_split_by(None, selectors)
    }

    fn pass_split_by(&self, breakdown: Option<&Breakdown>, selectors: &[&EventSelector]) -> Result<Pass<'a>, Refusal> {
        let mut slots = Slots::default();
        let selector = |selector: &&EventSelector| Selector::new(selector, &self.catalogue, &mut slots);
        let selectors: Vec<_> = selectors.iter().map(selector).collect::<Result<_, _>>()?;
        let filter = |filter: &PropertyFilter| Filter::new(filter, &self.catalogue, &mut slots);
        let filters = self.filters.iter().map(filter).collect::<Result<_, _>>()?;
        let split = Split::new(breakdown, &self.catalogue, &mut slots)?;
        Ok(Pass {
            tables: self.tables,
            from_ms: self.start_ms,
            to_ms: self.end_ms,
            selectors,
            filters,
            split,
            recent: Rc::clone(&self.recent),
            erased: Rc::clone(&self.erased),
            number: None,
            properties: slots.numbers().to_vec(),
        })
    }
}

/// Numbers of the names that a pass reads.
fn names(pass: &Pass<'_>) -> BTreeSet<u32> {
    pass.selectors.iter().flat_map(Selector::names).collect()
}

fn granularity_of(granularity: v1::Granularity) -> periods::Granularity {
    match granularity {
        v1::Granularity::Unspecified => periods::Granularity::Whole,
        v1::Granularity::Day => periods::Granularity::Day,
        v1::Granularity::Week => periods::Granularity::Week,
        v1::Granularity::Month => periods::Granularity::Month,
    }
}

fn no_periods(error: PeriodsError) -> Violations {
    let field = match error {
        PeriodsError::UnknownZone(_) => "time_zone",
        _ => "end_time",
    };
    Violations::one(field, error.to_string())
}

fn duration_ms(duration: &Option<Duration>, default_ms: i64) -> i64 {
    duration.as_ref().map_or(default_ms, |duration| {
        duration.seconds.saturating_mul(1_000).saturating_add(i64::from(duration.nanos / 1_000_000))
    })
}
