//! Defining a metric under a name. A newer version takes none of the earlier ones away.

use daybook_event_rules::schema_rules::event_name_problem;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::key::First;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{self, MetricDefinition};
use product_analytics_projection::{Event, NAMESPACE, ProductAnalytics, Tables, check_definition};

/// Defines a metric.
#[derive(Debug, Clone)]
pub struct DefineMetric {
    definition: MetricDefinition,
}

impl Command for DefineMetric {
    type Request = v1::DefineMetricRequest;
    type Response = v1::DefineMetricResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "DefineMetric";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let mut definition = fields.required("definition", request.definition);
        if let Some(problem) = event_name_problem(&definition.name) {
            fields.wrong("definition.name", problem);
        }
        fields.check("definition.version", definition.version == 0, "must be empty: the log gives it");
        definition.description = fields.text("definition.description", definition.description, 500);
        fields.inside("definition", check_definition(&definition));
        fields.finish(Self { definition })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Metric", &self.definition.name)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        let newest = tables.metrics().scan_back(First(self.definition.name.as_str())).next().transpose()?;
        let version = match newest {
            // Said again, it is the same.
            Some((_, before)) if (MetricDefinition { version: 0, ..before.clone() }) == self.definition => {
                before.version
            }
            Some((_, before)) => before.version.saturating_add(1),
            None => 1,
        };
        let definition = MetricDefinition { version, ..self.definition.clone() };
        Ok(vec![Event::MetricDefined(v1::MetricDefined { definition: Some(definition) })])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let version = match events {
            [Event::MetricDefined(event)] => event.definition.as_ref().map_or(0, |definition| definition.version),
            _ => 0,
        };
        Ok(v1::DefineMetricResponse { receipt: None, version })
    }
}
