//! The part of `opentelemetry/proto/collector/logs/v1/logs_service.proto` and of what it imports that is read here. The
//! numbers are those of version 1 of the protocol, which is stable.
//!
//! By hand, because what is not declared is never read: bodies, trace ids and maps are passed over by the decoder, and
//! nothing here recurses. The generated messages are in `opentelemetry-proto`, which brings the SDK.

use bytes::Bytes;

/// What a sender exports.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ExportLogsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resource_logs: Vec<ResourceLogs>,
}

/// Records of one resource. The resource is kept as it was encoded: it tells records apart, and nothing of it is read.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ResourceLogs {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) resource: Bytes,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scope_logs: Vec<ScopeLogs>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) schema_url: Bytes,
}

/// Records of one library.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ScopeLogs {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) scope: Bytes,
    /// Each as it was encoded: one that is no [`LogRecord`] does not take the others with it.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) log_records: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) schema_url: Bytes,
}

/// One record.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub(crate) time_unix_nano: u64,
    #[prost(message, repeated, tag = "6")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "11")]
    pub(crate) observed_time_unix_nano: u64,
    #[prost(string, tag = "12")]
    pub(crate) event_name: String,
}

/// One attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

/// A value of any kind.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AnyValue {
    #[prost(oneof = "AnyKind", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(crate) value: Option<AnyKind>,
}

/// Its kind.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum AnyKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(TextList),
    /// Encoded as it came: that there is a map is all that is asked.
    #[prost(bytes, tag = "6")]
    Map(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

/// A list, of which only texts are read.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TextList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<Text>,
}

/// One value of a list.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Text {
    #[prost(string, optional, tag = "1")]
    pub(crate) text: Option<String>,
}
