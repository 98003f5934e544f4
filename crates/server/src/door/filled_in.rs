//! Fields of a command that the door fills in from what the node knows, as the schema says
//! (`daybook.options.v1.filled_in`): so it stands on the log, and a pure decision can follow from it.

use daybook_kernel::id::{CommandId, TenantId};
use daybook_proto::FilledIn;
use daybook_proto::platform::v1::NodeRelease;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::incoming::Events;
use super::{Call, Door, Method};
use crate::error::{CallError, codes};

impl Door {
    /// Fills in what the schema asks for. Rejects values that callers supply: they would look like the node's own. Returns
    /// encoded fields to append to the encoded request: a batch of events is large, and the sealer need not walk it.
    pub(super) async fn fill_in(
        &self,
        method: &Method,
        tenant: &TenantId,
        call: &Call,
        id: CommandId,
        request: &mut DynamicMessage,
        mut events: Option<Events>,
    ) -> Result<Vec<u8>, CallError> {
        let mut behind = Vec::new();
        let is_digested = method.filled_in.iter().any(|(_, filled_in)| *filled_in == FilledIn::ContentDigest);
        let content = events.as_ref().filter(|_| is_digested).map(Events::to_bytes).unwrap_or_default();
        for (number, filled_in) in &method.filled_in {
            let Some(field) = method.input.get_field(*number) else { continue };
            if request.has_field(&field) {
                return Err(CallError::field(
                    field.name(),
                    "must be empty: the node that takes the command fills it in",
                ));
            }
            let values = match filled_in {
                FilledIn::Nodes => self.nodes(),
                FilledIn::MinimisedEvents => {
                    let batch = self.minimise(method, tenant, call, request, events.take().unwrap_or_default()).await?;
                    prost::encoding::message::encode(*number, &batch, &mut behind);
                    continue;
                }
                FilledIn::ActorPseudonyms => {
                    let pseudonyms = self.pseudonyms_of_actor(tenant, request).await?;
                    prost::encoding::bytes::encode_repeated(*number, &pseudonyms, &mut behind);
                    continue;
                }
                FilledIn::ContentDigest => {
                    let digest = self.sealer.content_digest(tenant, id.as_bytes(), &content).await;
                    prost::encoding::bytes::encode(*number, &digest.map_err(CallError::not_sealed)?, &mut behind);
                    continue;
                }
                FilledIn::Unspecified => continue,
            };
            let kind = field.kind();
            let Some(message) = kind.as_message() else { continue };
            let defect = |error: prost::DecodeError| CallError::new(codes::INTERNAL_ERROR, error.to_string());
            let values = values.iter().map(|value| {
                DynamicMessage::decode(message.clone(), value.encode_to_vec().as_slice()).map(Value::Message)
            });
            request.set_field(&field, Value::List(values.collect::<Result<_, _>>().map_err(defect)?));
        }
        Ok(behind)
    }

    /// This node, and the others of its log as they were seen last.
    fn nodes(&self) -> Vec<NodeRelease> {
        let peers = self.cluster.as_ref().map(|cluster| cluster.peers()).unwrap_or_default();
        let others = peers.into_iter().map(|(node_id, seen)| {
            let says = seen.says.unwrap_or_default();
            NodeRelease { node_id, version: says.version, newest_feature_level: says.newest_feature_level }
        });
        let here = NodeRelease {
            node_id: self.node.id().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            newest_feature_level: self.node_service.decider().understands().0,
        };
        let mut nodes: Vec<_> = others.chain([here]).collect();
        nodes.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        nodes
    }
}
