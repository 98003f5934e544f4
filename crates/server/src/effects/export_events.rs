//! The effect that writes an export of events: from a snapshot of the partition's store into an object store.

use std::path::PathBuf;
use std::sync::Arc;

use daybook_event_export::{ExportError, export};
use daybook_kernel::domain::Asked;
use daybook_kernel::id::TenantId;
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{EventExportFiles, EventExportJob, FinishEventExport};
use daybook_runtime::{EffectFailed, EffectHandler, RequestedEffect};
use daybook_snapshot::{Objects, SnapshotError};
use daybook_store::Store;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::snapshots::objects;

/// Writes exports.
pub(crate) struct ExportEventsHandler {
    /// Where to. `None`: the settings name no place.
    place: Option<Objects>,
    /// Where to by default: a folder that is made with the first export. Any other place is made by whoever names it.
    own_folder: Option<PathBuf>,
    partitions: u32,
}

impl ExportEventsHandler {
    pub(crate) fn new(config: &Config, partitions: u32) -> Result<Self, SnapshotError> {
        let own_folder = config.own_export_folder();
        let url = match &own_folder {
            Some(folder) => format!("file://{}", folder.display()),
            None => config.analytics.export_url.clone(),
        };
        Ok(Self { place: objects(config, &url)?, own_folder, partitions })
    }
}

impl EffectHandler for ExportEventsHandler {
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        store: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
        async move {
            let job = EventExportJob::decode(effect.row.payload.clone()).map_err(|error| failed(&error))?;
            let mut reply = FinishEventExport { export_offset: job.export_offset, ..Default::default() };
            let Some(place) = self.place.clone() else {
                reply.failure = "the node's settings name no place for exports; set analytics.export_url".to_owned();
                return Ok(reply.encode_to_vec());
            };
            if let Some(folder) = &self.own_folder {
                std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
            }
            let (store, handle, url) = (Arc::clone(store), Handle::current(), place.url().to_owned());
            let (partition, partitions) = (effect.partition, self.partitions);
            // Reading and compressing take a while: they hold up nobody who only passes through.
            let written = tokio::task::spawn_blocking(move || -> Result<EventExportFiles, ExportError> {
                let tenant = TenantId::parse(&job.tenant_id).map_err(|_| ExportError::Lacks("whose"))?;
                let (state, head) = store.snapshot().map_err(|error| Fault::Store(error.to_string()))?;
                let (now, next_command) = (head.now, head.next_command);
                let asked = Asked { tenant: &tenant, now, partition, partitions, next_command, reveals: true };
                export(&*state, &asked, &job, &mut |name, bytes| {
                    handle.block_on(place.put(name, bytes)).map_err(|error| error.to_string())
                })
            });
            match written.await.map_err(|error| failed(&error))? {
                Ok(files) => reply.files = Some(EventExportFiles { url: format!("{url}/{}", files.url), ..files }),
                Err(error @ (ExportError::NotWritten(_) | ExportError::Fault(Fault::Store(_)))) => {
                    return Err(failed(&error));
                }
                Err(error) => reply.failure = error.to_string(),
            }
            Ok(reply.encode_to_vec())
        }
        .boxed()
    }
}

fn failed(error: &dyn std::fmt::Display) -> EffectFailed {
    EffectFailed(error.to_string())
}
