//! Answers that are tables, as Arrow streams, for whoever asks for them with
//! `Accept: application/vnd.apache.arrow.stream`.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use daybook_columnar::{arrow_stream, of_answer};
use daybook_proto::product_analytics::v1::QueryMetricResponse;
use http::{HeaderMap, StatusCode, header};
use prost::{Message, Name};

use super::json::refused;
use crate::door::Method;
use crate::error::{CallError, codes};

const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Whether the answer of this method is a table, and wanted as one.
pub(super) fn is_wanted(method: &Method, headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or("").trim());
    method.output.full_name() == QueryMetricResponse::full_name() && types.any(|one| one == ARROW)
}

/// The table of an answer. Position, notes and the like are in the JSON answer only.
pub(super) fn answered(response: Bytes) -> Response {
    let defect = |error: &dyn std::fmt::Display| {
        refused(StatusCode::INTERNAL_SERVER_ERROR, &CallError::new(codes::INTERNAL_ERROR, error.to_string()))
    };
    let answer = match QueryMetricResponse::decode(response) {
        Ok(answer) => answer,
        Err(error) => return defect(&error),
    };
    match of_answer(&answer).and_then(|table| arrow_stream(&table)) {
        Ok(stream) => ([(header::CONTENT_TYPE, ARROW)], stream).into_response(),
        Err(error) => defect(&error),
    }
}
