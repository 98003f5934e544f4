//! The caller's W3C trace context: kept with the command, and continued in our own traces.

use std::collections::HashMap;

use daybook_proto::log::v1::TraceContext;
use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The trace context of a request, if it is well formed.
pub(super) fn context(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let traceparent = text("traceparent");
    if !is_traceparent(traceparent) {
        return None;
    }
    let tracestate = text("tracestate");
    let tracestate = if tracestate.len() <= 512 { tracestate } else { "" };
    Some(TraceContext { traceparent: traceparent.to_owned(), tracestate: tracestate.to_owned() })
}

/// `00-<32 hex>-<16 hex>-<2 hex>`
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2]
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
        && parts[0] != "ff"
        && parts[1].bytes().any(|byte| byte != b'0')
        && parts[2].bytes().any(|byte| byte != b'0')
}

/// A span for a request, a child of the caller's. It holds nothing that a caller wrote: `path` is one of the methods'.
pub(super) fn span(path: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!("request", "otel.name" = path, method = path, code = tracing::field::Empty);
    if let Some(context) = context(headers) {
        // Only the ids. What a caller writes into tracestate is kept with the command, and not sent on: it is any text.
        let carrier = HashMap::from([("traceparent".to_owned(), context.traceparent)]);
        // Without an exporter there is nobody to hand the parent to.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_context_is_kept() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            context(&headers).is_some()
        };
        assert!(of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(!of("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
        assert!(!of("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
        assert!(!of("hello"));
    }
}
