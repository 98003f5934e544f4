//! One response of each kind of metric, built in code.

use daybook_proto::log::v1::Position;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{
    Cell, Column, ColumnType, CopilotMetric, EventSelector, FunnelMetric, FunnelStep, LifecycleMetric,
    MetricDefinition, PathsMetric, QueryMetricResponse, RetentionMetric, Row, SessionsMetric, TimeToInsightMetric,
    UsageMetric, cell,
};
use prost_types::Timestamp;

use ColumnType::{Integer, Milliseconds, Number, Share, Text, Time};

pub(crate) const DAY: i64 = 86_400;
/// 2026-03-02, a Monday.
pub(crate) const START: i64 = 1_772_409_600;
pub(crate) const MINUTE: i64 = 60_000;

pub(crate) fn cell(value: cell::Value) -> Cell {
    Cell { value: Some(value) }
}

pub(crate) fn none() -> Cell {
    Cell { value: None }
}

pub(crate) fn hidden() -> Cell {
    cell(cell::Value::Suppressed(true))
}

pub(crate) fn text(text: &str) -> Cell {
    cell(cell::Value::Text(text.to_owned()))
}

pub(crate) fn int(value: i64) -> Cell {
    cell(cell::Value::Integer(value))
}

pub(crate) fn num(value: f64) -> Cell {
    cell(cell::Value::Number(value))
}

pub(crate) fn day(seconds: i64) -> Cell {
    cell(cell::Value::Time(Timestamp { seconds, nanos: 0 }))
}

/// Numbers that go up and down as those of people do, the same every time.
fn noise(seed: i64) -> i64 {
    (seed.wrapping_mul(2_654_435_761) >> 7).rem_euclid(100)
}

fn named(names: &[&str]) -> Option<EventSelector> {
    Some(EventSelector { names: names.iter().map(|name| (*name).to_owned()).collect(), r#where: Vec::new() })
}

pub(crate) fn response(metric: Metric, columns: &[(&str, ColumnType)], rows: Vec<Vec<Cell>>) -> QueryMetricResponse {
    let is_hidden = |cell: &&Cell| matches!(cell.value, Some(cell::Value::Suppressed(true)));
    let suppressed = rows.iter().flatten().filter(is_hidden).count();
    QueryMetricResponse {
        position: Some(Position { partition: 3, offset: 104_233 }),
        metric: Some(MetricDefinition {
            name: "example_metric".to_owned(),
            version: 2,
            description: "An example, as it could be asked for.".to_owned(),
            metric: Some(metric),
        }),
        columns: columns
            .iter()
            .map(|(name, r#type)| Column { name: (*name).to_owned(), r#type: (*r#type).into() })
            .collect(),
        rows: rows.into_iter().map(|cells| Row { cells }).collect(),
        suppressed_cells: suppressed as u32,
        events_read: 48_211,
        late_events: 12,
        last_late_at: Some(Timestamp { seconds: START + 40 * DAY, nanos: 0 }),
        notes: vec!["Numbers of fewer than 5 actors are not shown.".to_owned()],
        ..Default::default()
    }
}

const USAGE: [(&str, ColumnType); 6] = [
    ("period_start", Time),
    ("breakdown", Text),
    ("events", Integer),
    ("actors", Integer),
    ("daily_actors", Number),
    ("stickiness", Share),
];

/// Thirty days, ten values: eight with a line of their own, two others. A day without a row, some not shown.
pub(crate) fn usage() -> QueryMetricResponse {
    let values = [
        "dashboards",
        "copilot",
        "alerts",
        "exports",
        "notebooks",
        "sharing",
        "search",
        "comments",
        "admin",
        "billing",
    ];
    let mut rows = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let size = 900 / (at as i64 + 1);
        rows.push(vec![none(), text(value), int(size * 95), int(size * 3), num(size as f64), num(0.33)]);
        for of in 0..30 {
            let start = START + of * DAY;
            let weekend = if of % 7 >= 5 { 3 } else { 1 };
            let actors = size / weekend + noise(of * 31 + at as i64) * size / 500;
            let actors = match (at, of) {
                (1, 12) | (6, 5..=6) | (9, 20) => hidden(),
                (0, 17) => continue,
                (2, 9) => none(),
                _ => int(actors),
            };
            rows.push(vec![day(start), text(value), int(size * 3), actors, num(size as f64), none()]);
        }
    }
    response(Metric::Usage(UsageMetric { events: named(&["feature_used"]) }), &USAGE, rows)
}

/// The whole period at once.
pub(crate) fn usage_whole() -> QueryMetricResponse {
    let row = |value: &str, actors: Cell| vec![text(value), int(18_230), actors, num(211.4), num(0.271)];
    let rows = vec![
        row("dashboards", int(1_240)),
        row("copilot", int(780)),
        row("alerts", hidden()),
        row("a feature with a name that is much longer than there is room for", int(120)),
        row("مرحبا بالعالم", int(86)),
        row("exports", none()),
        row("", int(9)),
    ];
    response(Metric::Usage(UsageMetric { events: named(&["feature_used"]) }), &USAGE[1..], rows)
}

/// Five steps for each of two values.
pub(crate) fn funnel() -> QueryMetricResponse {
    let columns = [
        ("breakdown", Text),
        ("step", Integer),
        ("events", Text),
        ("actors", Integer),
        ("share_of_entry", Share),
        ("share_of_previous", Share),
        ("open", Integer),
        ("median_ms", Milliseconds),
        ("p90_ms", Milliseconds),
    ];
    let names = [
        "signed_up",
        "connected_a_source",
        "opened_dashboard or opened_notebook_with_a_long_name",
        "asked_copilot",
        "accepted_insight",
    ];
    let mut rows = Vec::new();
    for (value, counts) in [("team", [4_210, 2_630, 1_890, 940, 411]), ("enterprise", [318, 240, 171, 60, 0])] {
        let mut before = counts[0];
        for (at, actors) in counts.into_iter().enumerate() {
            let is_hidden = value == "enterprise" && at == 4;
            let count = |number: i64| if is_hidden { hidden() } else { int(number) };
            let share = |number: f64| if is_hidden { hidden() } else { num(number) };
            rows.push(vec![
                text(value),
                int(at as i64 + 1),
                text(names[at]),
                count(actors),
                share(actors as f64 / counts[0] as f64),
                if at == 0 { none() } else { share(actors as f64 / before as f64) },
                if at == 0 { int(0) } else { count(counts[0] / 25 * at as i64) },
                if at == 0 { none() } else { count(3 * MINUTE * (at as i64).pow(5)) },
                if at == 0 { none() } else { count(17 * MINUTE * (at as i64).pow(5)) },
            ]);
            before = actors;
        }
    }
    let step = |name: &str| FunnelStep { events: named(&[name]), optional: false };
    let metric = FunnelMetric { steps: names.map(step).to_vec(), ..FunnelMetric::default() };
    response(Metric::Funnel(metric), &columns, rows)
}

/// Weeks, as a triangle.
pub(crate) fn retention(cohorts: i64, step: i64) -> QueryMetricResponse {
    let columns = [
        ("period_start", Time),
        ("n", Integer),
        ("cohort", Integer),
        ("actors", Integer),
        ("share", Share),
        ("open", Integer),
    ];
    let mut rows = Vec::new();
    let share = |n: i64, cohort: i64| {
        if n == 0 { 1.0 } else { (0.62 / (n as f64).powf(0.45) + noise(cohort * 7 + n) as f64 / 900.0).min(1.0) }
    };
    for n in 0..cohorts {
        rows.push(vec![none(), int(n), int(4_812), int((share(n, 0) * 4_812.0) as i64), num(share(n, 0)), int(0)]);
    }
    for cohort in 0..cohorts {
        let size = 300 + noise(cohort) * 3;
        for n in 0..cohorts - cohort {
            let is_open = n == cohorts - cohort - 1;
            let (actors, of) = match (cohort, n) {
                (3, 4..=5) => (hidden(), hidden()),
                (6, 2) => (none(), none()),
                _ => (int((share(n, cohort) * size as f64) as i64), num(share(n, cohort))),
            };
            rows.push(vec![
                day(START + cohort * step),
                int(n),
                int(size),
                actors,
                of,
                int(i64::from(is_open && n > 0)),
            ]);
        }
    }
    let metric = RetentionMetric {
        first: named(&["signed_up"]),
        returning: named(&["session_started"]),
        first_time: true,
        ..RetentionMetric::default()
    };
    response(Metric::Retention(metric), &columns, rows)
}

/// Weeks.
pub(crate) fn lifecycle() -> QueryMetricResponse {
    let columns = [
        ("period_start", Time),
        ("new", Integer),
        ("returning", Integer),
        ("resurrecting", Integer),
        ("dormant", Integer),
    ];
    let rows = (0..16i64)
        .map(|week| {
            let dormant = if week == 5 { hidden() } else { int(60 + noise(week + 50)) };
            let new = if matches!(week, 5 | 11) { hidden() } else { int(80 + noise(week)) };
            vec![
                day(START + week * 7 * DAY),
                new,
                int(240 + week * 12 + noise(week + 9)),
                int(20 + noise(week + 3) / 3),
                dormant,
            ]
        })
        .filter(|row| row[0] != day(START + 8 * 7 * DAY))
        .collect();
    response(Metric::Lifecycle(LifecycleMetric { events: named(&["session_started"]) }), &columns, rows)
}

/// Short and long ones, and the rest.
pub(crate) fn paths() -> QueryMetricResponse {
    let columns = [("path", Text), ("sessions", Integer), ("actors", Integer), ("share", Share)];
    let long = "opened_the_dashboard_overview > changed_the_filter_of_a_dashboard > asked_copilot_about_a_chart > \
                accepted_insight_with_comment > shared_dashboard_with_team > exported_report_as_document";
    let row = |path: &str, count: i64| vec![text(path), int(count), int(count / 3), num(count as f64 / 12_000.0)];
    let rows = vec![
        row("opened_dashboard > changed_filter", 4_120),
        row("opened_dashboard > asked_copilot > accepted_insight", 2_310),
        row(long, 1_204),
        vec![text("opened_alert > muted_alert"), hidden(), hidden(), hidden()],
        row("opened_notebook", 388),
        vec![none(), int(3_978), int(1_022), num(0.3315)],
    ];
    response(Metric::Paths(PathsMetric { events: None, length: 6, ..PathsMetric::default() }), &columns, rows)
}

const SESSIONS: [(&str, ColumnType); 8] = [
    ("period_start", Time),
    ("breakdown", Text),
    ("sessions", Integer),
    ("actors", Integer),
    ("events", Integer),
    ("events_per_session", Number),
    ("median_ms", Milliseconds),
    ("p90_ms", Milliseconds),
];

fn sessions_row(count: Cell, median: Cell, p90: Cell) -> Vec<Cell> {
    vec![count, int(300), int(9_000), num(14.2), median, p90]
}

/// Days, without a breakdown.
pub(crate) fn sessions() -> QueryMetricResponse {
    let mut rows = vec![[vec![none()], sessions_row(int(12_400), int(11 * MINUTE), int(58 * MINUTE))].concat()];
    for of in (0..42).filter(|of| *of != 25) {
        let weekend = if of % 7 >= 5 { 4 } else { 1 };
        let count = if of == 13 { hidden() } else { int((380 + noise(of)) / weekend) };
        let median = if of == 13 { hidden() } else { int((9 * 60 + noise(of + 4) * 4) * 1000) };
        rows.push([vec![day(START + of * DAY)], sessions_row(count, median, none())].concat());
    }
    let columns: Vec<(&str, ColumnType)> = SESSIONS.into_iter().filter(|(name, _)| *name != "breakdown").collect();
    response(Metric::Sessions(SessionsMetric::default()), &columns, rows)
}

/// Months, by value.
pub(crate) fn sessions_by_value() -> QueryMetricResponse {
    let mut rows = Vec::new();
    for (at, value) in ["web", "desktop", "mobile", "api", "embedded"].into_iter().enumerate() {
        let at = at as i64;
        for (month, start) in [0, 30, 61, 91, 122].into_iter().enumerate() {
            let median = int((4 + at * 3) * MINUTE + noise(at * 9 + month as i64) * 1000);
            let cells = sessions_row(int(9_000 / (at + 1) + 40 * noise(at + month as i64)), median, none());
            rows.push([vec![day(START + 30 * DAY + start * DAY), text(value)], cells].concat());
        }
    }
    response(Metric::Sessions(SessionsMetric::default()), &SESSIONS, rows)
}

/// The whole period, by value.
pub(crate) fn sessions_whole() -> QueryMetricResponse {
    let row = |value: &str, count: Cell, median: i64| {
        [vec![text(value)], sessions_row(count, int(median), int(median * 6))].concat()
    };
    let rows =
        vec![row("web", int(9_120), 11 * MINUTE), row("desktop", int(1_204), 41_300), row("mobile", hidden(), 950)];
    response(Metric::Sessions(SessionsMetric::default()), &SESSIONS[1..], rows)
}

/// Reached by most, by few, by too few, and not shown.
pub(crate) fn time_to_insight() -> QueryMetricResponse {
    let columns = [
        ("breakdown", Text),
        ("actors", Integer),
        ("reached", Integer),
        ("censored", Integer),
        ("p25_ms", Milliseconds),
        ("p50_ms", Milliseconds),
        ("p75_ms", Milliseconds),
        ("p90_ms", Milliseconds),
    ];
    let row = |value: &str, counts: [i64; 3], [p25, p50, p75, p90]: [Option<i64>; 4]| {
        let at = |hours: Option<i64>| hours.map_or(none(), |hours| int(hours * 60 * MINUTE));
        vec![text(value), int(counts[0]), int(counts[1]), int(counts[2]), at(p25), at(p50), at(p75), at(p90)]
    };
    let rows = vec![
        row("team", [1_204, 1_130, 74], [Some(3), Some(9), Some(26), Some(61)]),
        row("enterprise", [310, 251, 59], [Some(7), Some(20), Some(49), None]),
        row("trial", [640, 380, 260], [Some(14), Some(44), None, None]),
        row("partner", [88, 25, 63], [Some(52), None, None, None]),
        row("student", [61, 8, 53], [None; 4]),
        vec![text("internal"), hidden(), hidden(), hidden(), hidden(), hidden(), hidden(), hidden()],
    ];
    response(Metric::TimeToInsight(TimeToInsightMetric::default()), &columns, rows)
}

const COPILOT: [(&str, ColumnType); 14] = [
    ("period_start", Time),
    ("breakdown", Text),
    ("shown", Integer),
    ("used", Integer),
    ("edited", Integer),
    ("ignored", Integer),
    ("used_share", Share),
    ("feedback_count", Integer),
    ("feedback_mean", Number),
    ("outcomes", Integer),
    ("assisted_outcomes", Integer),
    ("assisted_share", Share),
    ("actors", Integer),
    ("unknown_to_charts", Text),
];

fn copilot_row(shown: i64, seed: i64, is_hidden: bool) -> Vec<Cell> {
    let (used, edited) = (shown * (30 + noise(seed) / 5) / 100, shown / 7);
    let share = if is_hidden { hidden() } else { num(used as f64 / shown as f64) };
    let used = if is_hidden { hidden() } else { int(used) };
    let edited = if is_hidden { hidden() } else { int(edited) };
    let assisted = num(0.18 + noise(seed + 3) as f64 / 600.0);
    vec![
        int(shown),
        used,
        edited,
        int(shown / 3),
        share,
        int(40),
        num(4.1),
        int(210),
        int(44),
        assisted,
        int(90),
        none(),
    ]
}

/// Weeks.
pub(crate) fn copilot() -> QueryMetricResponse {
    let mut rows = vec![[vec![none()], copilot_row(9_211, 4, false)].concat()];
    for week in 0..12 {
        rows.push(
            [vec![day(START + week * 7 * DAY)], copilot_row(500 + 30 * week + noise(week), week, week == 4)].concat(),
        );
    }
    let columns: Vec<(&str, ColumnType)> = COPILOT.into_iter().filter(|(name, _)| *name != "breakdown").collect();
    response(Metric::Copilot(CopilotMetric::default()), &columns, rows)
}

/// The whole period, by value.
pub(crate) fn copilot_whole() -> QueryMetricResponse {
    let row = |value: &str, shown, is_hidden| [vec![text(value)], copilot_row(shown, shown, is_hidden)].concat();
    let rows = vec![row("charts", 4_100, false), row("search", 2_810, false), row("alerts", 390, true)];
    response(Metric::Copilot(CopilotMetric::default()), &COPILOT[1..], rows)
}

/// Weeks, by value.
pub(crate) fn copilot_by_value() -> QueryMetricResponse {
    let mut rows = Vec::new();
    for (at, value) in ["charts", "search"].into_iter().enumerate() {
        let at = at as i64;
        for week in 0..26 {
            let cells = copilot_row(300 / (at + 1) + noise(week + at), week + at, false);
            rows.push([vec![day(START + week * 7 * DAY), text(value)], cells].concat());
        }
    }
    response(Metric::Copilot(CopilotMetric::default()), &COPILOT, rows)
}

/// The same answer, told for two values: `at` is the place of the column.
fn by_value(of: QueryMetricResponse, at: usize) -> QueryMetricResponse {
    let row = |value: &str, row: &Row| {
        let mut row = row.clone();
        row.cells.insert(at, text(value));
        row
    };
    let rows = ["team", "enterprise"].iter().flat_map(|value| of.rows.iter().map(move |one| row(value, one))).collect();
    let mut columns = of.columns.clone();
    columns.insert(at, Column { name: "breakdown".to_owned(), r#type: Text.into() });
    QueryMetricResponse { columns, rows, ..of }
}

/// All of them by name.
pub(crate) fn all() -> Vec<(&'static str, QueryMetricResponse)> {
    vec![
        ("usage", usage()),
        ("usage_whole", usage_whole()),
        ("funnel", funnel()),
        ("retention", retention(12, 7 * DAY)),
        ("retention_of_days", retention(31, DAY)),
        ("lifecycle", lifecycle()),
        ("paths", paths()),
        ("retention_by_value", by_value(retention(6, 7 * DAY), 1)),
        ("lifecycle_by_value", by_value(lifecycle(), 1)),
        ("paths_by_value", by_value(paths(), 0)),
        ("sessions", sessions()),
        ("sessions_by_value", sessions_by_value()),
        ("sessions_whole", sessions_whole()),
        ("time_to_insight", time_to_insight()),
        ("copilot", copilot()),
        ("copilot_whole", copilot_whole()),
        ("copilot_by_value", copilot_by_value()),
    ]
}
