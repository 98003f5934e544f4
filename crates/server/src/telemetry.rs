//! Logs, traces and metrics of the process. Set up once, by the program.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{ConfigError, TelemetryConfig};

/// What must be kept while the program runs.
pub struct Telemetry {
    /// The metrics, to be shown.
    pub metrics: PrometheusHandle,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs to standard error, traces if there is an endpoint for them, and metrics. Needs a Tokio runtime.
    pub fn start(config: &TelemetryConfig) -> Result<Self, ConfigError> {
        let wrong = |key: &str, error: &dyn std::fmt::Display| ConfigError(format!("telemetry.{key}: {error}"));
        let filter = EnvFilter::try_new(&config.log_filter).map_err(|error| wrong("log_filter", &error))?;
        let logs = if config.log_format == "json" {
            fmt::layer().json().with_writer(std::io::stderr).boxed()
        } else {
            let colours = std::io::stderr().is_terminal();
            fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours).boxed()
        };
        let traces = if config.otlp_endpoint.is_empty() { None } else { Some(tracer(config)?) };
        // Libraries below log every frame that they read and write, those of the exporter of traces among them.
        let trace_filter = EnvFilter::try_new(&config.trace_filter).map_err(|error| wrong("trace_filter", &error))?;
        let layer =
            traces.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("daybook")));
        let layer = layer.map(|layer| layer.with_filter(trace_filter));
        tracing_subscriber::registry()
            .with(logs.with_filter(filter))
            .with(layer)
            .try_init()
            .map_err(|error| wrong("log_format", &error))?;
        Ok(Self { metrics: metrics_recorder()?, traces })
    }

    /// Sends what is left of traces.
    pub fn stop(&self) {
        if let Some(provider) = &self.traces
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

fn tracer(config: &TelemetryConfig) -> Result<SdkTracerProvider, ConfigError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&config.otlp_endpoint)
        .build()
        .map_err(|error| ConfigError(format!("telemetry.otlp_endpoint: {error}")))?;
    let resource = Resource::builder().with_service_name("daybook").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// The metrics of this process. Buckets for latencies, from a fifth of a millisecond to ten seconds.
pub fn metrics_recorder() -> Result<PrometheusHandle, ConfigError> {
    const SECONDS: [f64; 14] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 10.0];
    const COUNTS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0];
    let wrong = |error: &dyn std::fmt::Display| ConfigError(format!("metrics: {error}"));
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), &COUNTS))
        .map_err(|error| wrong(&error))?;
    let handle = builder.install_recorder().map_err(|error| wrong(&error))?;
    metrics::describe_counter!("daybook_decisions_total", "Decisions by outcome, made by this node.");
    metrics::describe_counter!("daybook_policies_failed_total", "Policies that failed while they were evaluated.");
    metrics::describe_counter!("daybook_dropped_records_total", "Decision records that did not count.");
    metrics::describe_counter!(
        "daybook_effects_failed_total",
        "Attempts at effects that failed; they are tried again."
    );
    metrics::describe_histogram!("daybook_request_seconds", "Requests by method and code, until the answer.");
    metrics::describe_histogram!("daybook_batch_commands", "Decisions in one record.");
    metrics::describe_gauge!("daybook_waiting_callers", "Callers that wait for a decision, by partition.");
    metrics::describe_gauge!("daybook_alarms", "Alarms that are raised, by partition; `daybook status` lists them.");
    metrics::describe_gauge!("daybook_apply_lag", "Commands that are not applied yet, by partition.");
    metrics::describe_gauge!("daybook_partition_leading", "1 where this node decides commands, by partition.");
    metrics::describe_gauge!("daybook_token_keys_age_seconds", "How long ago the keys for tokens were read.");
    metrics::describe_counter!("daybook_token_keys_readings_total", "Readings of the keys for tokens, by outcome.");
    metrics::describe_counter!("daybook_node_answers_refused_total", "Answers of other nodes that are not believed.");
    metrics::describe_gauge!("daybook_disk_free_bytes", "Free space where the data lies.");
    Ok(handle)
}
