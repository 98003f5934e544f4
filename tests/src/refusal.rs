//! An error as its doors tell it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message;
use serde_json::Value;
use tonic_types::StatusExt;
use tonic_types::pb;

/// The domain of google.rpc.ErrorInfo.
const DOMAIN: &str = "daybook.dev";

/// Why a request was not answered: the same by gRPC and by JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// gRPC's status.
    pub status: tonic::Code,
    /// The stable code: the reason in google.rpc.ErrorInfo.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Which fields are wrong: google.rpc.BadRequest.
    pub fields: Vec<(String, String)>,
    /// When to try again: google.rpc.RetryInfo.
    pub retry_after: Option<Duration>,
    /// More about it, from google.rpc.ErrorInfo.
    pub metadata: BTreeMap<String, String>,
}

impl Refusal {
    /// The wrong fields, without what is wrong.
    pub fn field_names(&self) -> Vec<&str> {
        self.fields.iter().map(|(field, _)| field.as_str()).collect()
    }

    /// As gRPC tells it.
    #[track_caller]
    pub fn of_grpc(status: &tonic::Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let info = info.unwrap_or_else(|| panic!("an error without google.rpc.ErrorInfo: {status:?}"));
        assert_eq!(info.domain, DOMAIN);
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        Self {
            status: status.code(),
            code: info.reason.clone(),
            message: status.message().to_owned(),
            fields: violations.into_iter().map(|violation| (violation.field, violation.description)).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            metadata: info.metadata.clone().into_iter().collect(),
        }
    }

    /// As JSON tells it, by the unary convention of the Connect protocol: `code`, `message`, and `details` whose values
    /// are the encoded messages in base64 without padding.
    #[track_caller]
    pub fn of_json(http_status: u16, body: &Value) -> Self {
        let code = body["code"].as_str().unwrap_or_else(|| panic!("no Connect error: {body}"));
        let (status, expected) = CONNECT
            .iter()
            .find(|(_, name, _)| *name == code)
            .map(|(status, _, http)| (*status, *http))
            .unwrap_or_else(|| panic!("{code} is no code of the Connect protocol"));
        // A path and a way of calling that do not exist, and what is too large, have HTTP's own status.
        let is_of_http = matches!(http_status, 404 | 405 | 413 | 415);
        assert!(http_status == expected || is_of_http, "HTTP {http_status} with {code}: {body}");
        let detail = |name: &str| {
            let details = body["details"].as_array().expect("details");
            let detail = details.iter().find(|detail| detail["type"] == format!("google.rpc.{name}"))?;
            let value = detail["value"].as_str().expect("a detail's value");
            Some(STANDARD_NO_PAD.decode(value).expect("base64 without padding"))
        };
        let info = detail("ErrorInfo").unwrap_or_else(|| panic!("an error without google.rpc.ErrorInfo: {body}"));
        let info = pb::ErrorInfo::decode(&info[..]).expect("google.rpc.ErrorInfo");
        assert_eq!(info.domain, DOMAIN);
        let bad = detail("BadRequest").map(|bytes| pb::BadRequest::decode(&bytes[..]).expect("google.rpc.BadRequest"));
        let retry = detail("RetryInfo").map(|bytes| pb::RetryInfo::decode(&bytes[..]).expect("google.rpc.RetryInfo"));
        Self {
            status,
            code: info.reason,
            message: body["message"].as_str().expect("a message").to_owned(),
            fields: bad
                .unwrap_or_default()
                .field_violations
                .into_iter()
                .map(|violation| (violation.field, violation.description))
                .collect(),
            retry_after: retry.and_then(|retry| retry.retry_delay).map(|delay| {
                Duration::new(delay.seconds.try_into().expect("a delay"), delay.nanos.try_into().expect("a delay"))
            }),
            metadata: info.metadata.into_iter().collect(),
        }
    }

    /// Without what differs between two commands that are refused for the same reason: their ids and places.
    #[must_use]
    pub fn without_place(mut self) -> Self {
        self.metadata.remove("position");
        self.metadata.remove("command_id");
        self
    }
}

/// gRPC's codes with Connect's names and HTTP statuses, as
/// [the protocol](https://connectrpc.com/docs/protocol/#error-codes) has them.
const CONNECT: [(tonic::Code, &str, u16); 16] = [
    (tonic::Code::Cancelled, "canceled", 499),
    (tonic::Code::Unknown, "unknown", 500),
    (tonic::Code::InvalidArgument, "invalid_argument", 400),
    (tonic::Code::DeadlineExceeded, "deadline_exceeded", 504),
    (tonic::Code::NotFound, "not_found", 404),
    (tonic::Code::AlreadyExists, "already_exists", 409),
    (tonic::Code::PermissionDenied, "permission_denied", 403),
    (tonic::Code::ResourceExhausted, "resource_exhausted", 429),
    (tonic::Code::FailedPrecondition, "failed_precondition", 400),
    (tonic::Code::Aborted, "aborted", 409),
    (tonic::Code::OutOfRange, "out_of_range", 400),
    (tonic::Code::Unimplemented, "unimplemented", 501),
    (tonic::Code::Internal, "internal", 500),
    (tonic::Code::Unavailable, "unavailable", 503),
    (tonic::Code::DataLoss, "data_loss", 500),
    (tonic::Code::Unauthenticated, "unauthenticated", 401),
];
