//! Tables of metrics, with what their answers do not show left out.

use daybook_columnar::of_answer;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::rejection::Refusal;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{ExportedMetric, MetricDefinition, QueryMetricRequest};
use product_analytics_projection::{QueryMetric, Tables};

use crate::manifest::ManifestMetric;
use crate::{ExportError, Files};

pub(crate) fn write(
    tables: &Tables<'_>,
    metric: &ExportedMetric,
    (start, end): (Timestamp, Timestamp),
    asked: &Asked<'_>,
    files: &mut Files<'_, '_>,
) -> Result<ManifestMetric, ExportError> {
    let request = QueryMetricRequest {
        metric: Some(MetricDefinition { name: metric.name.clone(), ..Default::default() }),
        start_time: Some(start.to_proto()),
        end_time: Some(end.to_proto()),
        time_zone: metric.time_zone.clone(),
        granularity: metric.granularity,
        breakdown: metric.breakdown.clone(),
        ..Default::default()
    };
    let answer = QueryMetric::answer(tables, request, asked).map_err(|refusal| match refusal {
        Refusal::Fault(fault) => ExportError::Fault(fault),
        Refusal::Rejected(why) => ExportError::NoAnswer { metric: metric.name.clone(), why: why.message },
    })?;
    let version = answer.metric.as_ref().map_or(0, |metric| metric.version);
    let name = format!("metrics/{}/part-00000.parquet", metric.name);
    files.add(name, &of_answer(&answer)?, &[("metric", &metric.name), ("version", &version.to_string())])?;
    Ok(ManifestMetric { name: metric.name.clone(), version, suppressed_cells: answer.suppressed_cells })
}
