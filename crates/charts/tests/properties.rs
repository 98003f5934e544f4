//! What holds of every chart, whatever the response is.

mod examples;

use daybook_charts::{NotDrawable, html, svg};
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{
    Cell, Column, ColumnType, CopilotMetric, FunnelMetric, LifecycleMetric, MetricDefinition, PathsMetric,
    QueryMetricResponse, RetentionMetric, SessionsMetric, TimeToInsightMetric, UsageMetric, cell,
};
use proptest::prelude::*;

/// Whether it is XML, without scripts and without anything from elsewhere.
fn is_harmless(document: &str) -> Result<(), String> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let tree = roxmltree::Document::parse_with_options(document, options).map_err(|error| error.to_string())?;
    for node in tree.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        if matches!(name, "script" | "image" | "img" | "link" | "iframe" | "foreignObject" | "use" | "a") {
            return Err(format!("there is a {name}"));
        }
        if let Some(attribute) = node.attributes().find(|it| it.name().starts_with("on") || it.name() == "href") {
            return Err(format!("there is an attribute {}", attribute.name()));
        }
        let coordinates = ["x", "y", "width", "height", "x1", "y1", "d"].map(|name| node.attribute(name).unwrap_or(""));
        if coordinates.iter().any(|it| it.contains("NaN") || it.contains("inf")) {
            return Err("a coordinate is no number".to_owned());
        }
    }
    let roots = tree.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "svg")));
    for root in roots {
        let has = |name: &str| root.children().any(|node| node.tag_name().name() == name && node.text().is_some());
        if root.attribute("role") != Some("img") || !has("title") || !has("desc") {
            return Err("nothing is said to those who do not see it".to_owned());
        }
    }
    Ok(())
}

fn metrics() -> [Metric; 8] {
    [
        Metric::Usage(UsageMetric::default()),
        Metric::Funnel(FunnelMetric::default()),
        Metric::Retention(RetentionMetric::default()),
        Metric::Lifecycle(LifecycleMetric::default()),
        Metric::Paths(PathsMetric::default()),
        Metric::Sessions(SessionsMetric::default()),
        Metric::TimeToInsight(TimeToInsightMetric::default()),
        Metric::Copilot(CopilotMetric::default()),
    ]
}

fn any_cell() -> impl Strategy<Value = Cell> {
    let odd = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(f64::MAX), Just(f64::MIN_POSITIVE)];
    prop_oneof![
        Just(examples::none()),
        Just(examples::hidden()),
        Just(examples::cell(cell::Value::Suppressed(false))),
        any::<String>().prop_map(|text| examples::text(&text)),
        any::<i64>().prop_map(examples::int),
        (-3i64..70).prop_map(examples::int),
        any::<f64>().prop_map(examples::num),
        (0.0..1.0).prop_map(examples::num),
        odd.prop_map(examples::num),
        any::<i64>().prop_map(examples::day),
        (0i64..40).prop_map(|day| examples::day(examples::START + day * examples::DAY)),
    ]
}

/// An example with columns, rows and cells of which some are others.
fn any_response() -> impl Strategy<Value = QueryMetricResponse> {
    let example = prop::sample::select(examples::all()).prop_map(|(_, response)| response);
    let cells = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any_cell()), 0..60);
    let metric = prop::option::weighted(0.2, prop::sample::select(metrics().to_vec()));
    let column = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<String>(), -1i32..9));
    (example, cells, metric, column, 0usize..80, any::<[String; 3]>()).prop_map(
        |(mut response, cells, metric, column, rows, texts)| {
            response.rows.truncate(rows);
            for (row, column, cell) in cells {
                if response.rows.is_empty() {
                    break;
                }
                let at = row.index(response.rows.len());
                let cells = &mut response.rows[at].cells;
                if cells.len() < 2 {
                    continue;
                }
                match column.index(cells.len() + 1) {
                    // A row that ends early.
                    at if at == cells.len() => cells.truncate(at / 2),
                    at => cells[at] = cell,
                }
            }
            if let Some((at, name, r#type)) = column {
                let at = at.index(response.columns.len());
                response.columns[at] = Column { name, r#type };
            }
            let [note, name, description] = texts;
            response.notes.push(note);
            if let Some(definition) = &mut response.metric {
                definition.name = name;
                definition.description = description;
                if let Some(metric) = metric {
                    definition.metric = Some(metric);
                }
            }
            response
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 1_500 }))]

    #[test]
    fn any_response_is_drawn_or_refused(response in any_response(), title in any::<String>()) {
        match (svg(&response), html(&title, &response)) {
            (Ok(chart), Ok(page)) => {
                prop_assert_eq!(is_harmless(&chart), Ok(()));
                prop_assert_eq!(is_harmless(&page), Ok(()));
                prop_assert!(page.contains(chart.trim_end()));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one, other),
            _ => prop_assert!(false, "a page is a chart and what is around it"),
        }
    }

    #[test]
    fn the_same_response_is_the_same_chart(response in any_response()) {
        prop_assert_eq!(svg(&response), svg(&response.clone()));
    }
}

#[test]
fn every_example_is_harmless() {
    for (name, response) in examples::all() {
        assert_eq!(is_harmless(&svg(&response).unwrap()), Ok(()), "{name}");
        assert_eq!(is_harmless(&html(name, &response).unwrap()), Ok(()), "{name}");
    }
}

/// All numbers, of which none is shown: whatever digits were behind them, the charts are the same as without any, but
/// for hatching.
#[test]
fn what_is_not_shown_is_no_number() {
    for (name, mut response) in examples::all() {
        let is_number = |column: &Column| {
            let named = matches!(column.name.as_str(), "n" | "step" | "open");
            !named && !matches!(column.r#type(), ColumnType::Text | ColumnType::Time)
        };
        let columns: Vec<bool> = response.columns.iter().map(is_number).collect();
        for row in &mut response.rows {
            for (cell, is_number) in row.cells.iter_mut().zip(&columns) {
                if *is_number {
                    *cell = examples::hidden();
                }
            }
        }
        let chart = svg(&response).unwrap();
        assert!(chart.contains(r#"class="hidden""#), "{name}: hatched");
        let tree = roxmltree::Document::parse(&chart).unwrap();
        let is_known = |node: &roxmltree::Node<'_, '_>| {
            let class = node.attribute("class").unwrap_or("");
            // The legend draws its lines and fields outside of what tells a number.
            let is_drawn = node.ancestors().any(|parent| parent.tag_name().name() == "g");
            let is_field = class.split(' ').any(|it| it.len() == 2 && it.starts_with(['f', 'h']));
            is_drawn && is_field || class.starts_with("line ") && node.tag_name().name() == "path" || class == "median"
        };
        assert_eq!(tree.descendants().filter(is_known).count(), 0, "{name}: nothing is drawn as if it were known");
        let texts = tree.descendants().filter(|node| node.tag_name().name() == "title").filter_map(|node| node.text());
        for text in texts.filter(|text| text.contains("actors") || text.contains("sessions")) {
            assert!(!text.contains("0 actors") && !text.contains("0 sessions"), "{name}: {text}");
        }
    }
}

#[test]
fn hostile_text_is_escaped_and_cut() {
    let script = "<script>alert('x')</script>\"&]]>";
    for hostile in [script, &"long".repeat(2_000), "\u{202e}txet desrever", "\u{0}\u{b}\u{fffe}", "שלום > עולם"]
    {
        for (name, mut response) in examples::all() {
            for cell in response.rows.iter_mut().flat_map(|row| &mut row.cells) {
                if matches!(cell.value, Some(cell::Value::Text(_))) {
                    *cell = examples::text(hostile);
                }
            }
            response.notes = vec![hostile.to_owned()];
            if let Some(definition) = &mut response.metric {
                definition.name = hostile.to_owned();
                definition.description = hostile.to_owned();
            }
            let (chart, page) = (svg(&response).unwrap(), html(hostile, &response).unwrap());
            assert_eq!(is_harmless(&chart), Ok(()), "{name}");
            assert_eq!(is_harmless(&page), Ok(()), "{name}");
            assert!(!page.contains("<script") && !page.contains('\u{202e}'), "{name}");
            assert!(!chart.contains(&"long".repeat(60)), "{name}: cut");
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(svg(&QueryMetricResponse::default()), Err(NotDrawable::NoMetric));
    let without_kind = QueryMetricResponse { metric: Some(MetricDefinition::default()), ..Default::default() };
    assert_eq!(svg(&without_kind), Err(NotDrawable::NoMetric));
    for metric in metrics() {
        let nothing = examples::response(metric, &[], Vec::new());
        assert!(matches!(svg(&nothing), Err(NotDrawable::Columns { .. })));
    }
    let mut response = examples::lifecycle();
    response.columns[1].r#type = ColumnType::Text.into();
    response.columns[4].name = "asleep".to_owned();
    assert_eq!(
        svg(&response).unwrap_err().to_string(),
        "the table of a lifecycle metric lacks what its chart needs: `dormant` with whole numbers, `new` with whole \
         numbers"
    );
}

#[test]
fn nothing_in_the_period_is_said_to_be_so() {
    for (name, mut response) in examples::all() {
        response.rows.clear();
        assert!(svg(&response).unwrap().contains("There is nothing in this period."), "{name}");
    }
}

#[test]
fn a_page_has_the_numbers_of_its_chart() {
    let page = html("Teams & partners", &examples::funnel()).unwrap();
    for said in [
        "<title>Teams &amp; partners</title>",
        "2\u{202f}630",
        "share of previous",
        "&lt;k",
        "Numbers of fewer than 5 actors are not shown.",
        "State of partition 3 at position 104233.",
        "12 events were recorded after their day had ended",
        "connected_a_source",
        "within 14 d of the entry",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

/// As much as a query can ask for: 400 days of 101 values, 60 periods after each of 400 days.
#[test]
fn the_largest_responses_are_drawn() {
    use examples::{DAY, START, day, int, none, num, text};
    let mut usage = examples::usage();
    usage.rows = (0..400)
        .flat_map(|of| (0..101).map(move |value| (of, value)))
        .map(|(of, value): (i64, i64)| {
            let name = text(&format!("value {value}"));
            let cells = vec![day(START + of * DAY), name, int(9), int(value * 7 + of), num(3.5), none()];
            daybook_proto::product_analytics::v1::Row { cells }
        })
        .collect();
    let chart = svg(&usage).unwrap();
    assert!(chart.contains("others: 93, a line each"));
    assert_eq!(is_harmless(&chart), Ok(()));
    let chart = svg(&examples::retention(400, DAY)).unwrap();
    assert!(chart.contains("Drawn: 60 of 400 cohorts, the newest."));
    assert_eq!(is_harmless(&chart), Ok(()));
}

/// In any order, those who took the first step are not all who entered.
#[test]
fn a_bar_of_a_funnel_is_as_long_as_the_share_of_those_who_entered() {
    use examples::{int, none, num, text};
    let mut funnel = examples::funnel();
    // Of fifty who entered, ten took the first step, and twice as many the second.
    let row = |(step, actors, open): (i64, i64, i64)| {
        let shares = [num(actors as f64 / 50.0), num(0.3)];
        let cells =
            [vec![text(""), int(step), text("a"), int(actors)], shares.to_vec(), vec![int(open), none(), none()]];
        daybook_proto::product_analytics::v1::Row { cells: cells.concat() }
    };
    funnel.rows = [(1, 10, 40), (2, 20, 0)].map(row).to_vec();
    let chart = svg(&funnel).unwrap();
    let widths = |class: &str| -> Vec<f64> {
        let bar = format!(r#"<rect class="{class}" "#);
        let bars = chart.split(&bar).skip(2);
        bars.map(|bar| bar.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()).collect()
    };
    let [all] = widths("open")[..] else { panic!("one is open: {chart}") };
    assert_eq!(widths("f0"), [all / 4.0, all / 2.0], "{chart}");
}
