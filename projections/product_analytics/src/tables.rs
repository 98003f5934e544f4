//! The tables. Kinds are frozen.

use daybook_proto::product_analytics::v1::{
    EpochRow, ErasedRow, EventExportRow, EventExportSchedule, EventIdsRow, EventSchemaRow, EventStateRow,
    MetricDefinition, MinimisationProfile, NumberRow, RecentRow, RefusedRow, RegistryRow, RollupRow, SegmentColumnRow,
    SegmentRow,
};
use daybook_proto::system::v1::Mark;

use crate::PRODUCT_ANALYTICS;

daybook_kernel::tables! {
    /// Tables of product analytics, of one tenant.
    projection PRODUCT_ANALYTICS;
    /// Schemas of events by name.
    schemas: 1, (String,) => EventSchemaRow;
    /// The minimisation profile.
    profile: 2, () => MinimisationProfile;
    /// Registries that batches may name, by hash.
    registries: 3, ([u8; 32],) => RegistryRow;
    /// What the events have come to.
    state: 4, () => EventStateRow;
    /// Numbers of properties by name.
    properties: 5, (String,) => NumberRow;
    /// Numbers of actors by pseudonym.
    actors: 6, ([u8; 16],) => NumberRow;
    /// Ids of events that are remembered.
    event_ids: 7, ([u8; 16],) => Mark;
    /// The same by the offset of the batch that they came in, for forgetting them.
    event_ids_by_batch: 8, (u64,) => EventIdsRow;
    /// Events that are in no segment yet: offset of their command, index of the event.
    recent: 9, (u64, u32) => RecentRow;
    /// Segments: day (since 1970, UTC), number of the segment. A higher number was recorded later.
    segments: 10, (i64, u64) => SegmentRow;
    /// Their columns: day, number, column.
    segment_columns: 11, (i64, u64, u32) => SegmentColumnRow;
    /// What happened: number of the event's name, day (since 1970, UTC). Without what is in `recent`.
    rollups: 12, (u32, i64) => RollupRow;
    /// What was refused: name, property, reason.
    refused: 13, (String, String, u32) => RefusedRow;
    /// Definitions of metrics: name, version.
    metrics: 14, (String, u32) => MetricDefinition;
    /// Exports by the offset of the command that asked for them.
    exports: 15, (u64,) => EventExportRow;
    /// When exports are made by themselves.
    export_schedule: 16, () => EventExportSchedule;
    /// Actors that were erased and are still in segments.
    erased: 17, () => ErasedRow;
    /// Epochs of pseudonyms in which there are events, by the day on which they began (since 1970, UTC).
    epochs: 18, (i64,) => EpochRow;
}
