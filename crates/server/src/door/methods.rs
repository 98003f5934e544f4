//! The table of methods: from the path of a request to what answers it, made from the schema and the domains.

use std::collections::BTreeMap;

use daybook_kernel::registry::Registry;
use daybook_proto::{FilledIn, descriptors, filled_in, method_facts, repeated_command};
use prost_reflect::MessageDescriptor;

/// The service of the node itself.
const NODE_SERVICE: &str = "daybook.node.v1.NodeService";

/// A method.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its path, `/package.Service/Method`.
    pub path: String,
    /// Its request.
    pub input: MessageDescriptor,
    /// Its response.
    pub output: MessageDescriptor,
    /// It changes nothing.
    pub is_query: bool,
    /// Its answer opens sealed content.
    pub opens_sealed_content: bool,
    /// Fields of its request, by number, that the door fills in.
    pub filled_in: Vec<(u32, FilledIn)>,
    /// What answers it.
    pub handler: Handler,
}

impl Method {
    /// Its name, without its service.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether its request holds events of product use, which the door minimises.
    pub(crate) fn records_events(&self) -> bool {
        self.filled_in.iter().any(|(_, filled_in)| *filled_in == FilledIn::MinimisedEvents)
    }

    /// The field of its request whose entries are read one by one, by number.
    pub(crate) fn entries(&self) -> Option<u32> {
        self.records_events().then_some(super::minimise::EVENTS)
    }
}

/// A method that takes a stream of requests of a command, and answers once.
#[derive(Debug, Clone)]
pub struct StreamMethod {
    /// The command that each of them is.
    pub command: Method,
    /// Its response, made of those of the command.
    pub output: MessageDescriptor,
}

/// What answers a method.
#[derive(Debug, Clone)]
pub enum Handler {
    /// A command of a domain.
    Command {
        /// The domain.
        domain: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// A query of a domain.
    Query {
        /// The domain.
        domain: &'static str,
        /// Which of its queries.
        query: usize,
    },
    /// The node itself.
    Node(NodeMethod),
}

/// Methods of the node itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeMethod {
    /// How the node stands.
    GetStatus,
    /// What became of a command.
    GetCommand,
    /// The projections.
    ListProjections,
    /// Folds a projection again.
    RebuildProjection,
    /// The hash of a partition's state.
    GetStateDigest,
    /// Decisions with their proof.
    ExportDecisions,
    /// Takes snapshots now.
    TakeSnapshots,
}

impl NodeMethod {
    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "GetStatus" => Self::GetStatus,
            "GetCommand" => Self::GetCommand,
            "ListProjections" => Self::ListProjections,
            "RebuildProjection" => Self::RebuildProjection,
            "GetStateDigest" => Self::GetStateDigest,
            "ExportDecisions" => Self::ExportDecisions,
            "TakeSnapshots" => Self::TakeSnapshots,
            _ => return None,
        })
    }
}

/// Every method.
#[derive(Debug, Default)]
pub struct Methods {
    by_path: BTreeMap<String, Method>,
    streams: BTreeMap<String, StreamMethod>,
    services: Vec<String>,
}

impl Methods {
    /// Looks at the schema and the domains.
    pub fn new(registry: &Registry) -> Self {
        let mut methods = Self::default();
        for domain in registry.iter() {
            methods.add_service(domain.service, |name| {
                let kind = domain.public_kinds.iter().find(|kind| **kind == name);
                let query = domain.queries.iter().position(|query| query.method == name);
                match (kind, query) {
                    (Some(kind), _) => Some(Handler::Command { domain: domain.name, kind }),
                    (None, Some(query)) => Some(Handler::Query { domain: domain.name, query }),
                    (None, None) => None,
                }
            });
        }
        methods.add_service(NODE_SERVICE, |name| NodeMethod::by_name(name).map(Handler::Node));
        methods
    }

    fn add_service(&mut self, service: &str, handler: impl Fn(&str) -> Option<Handler>) {
        let Some(descriptor) = descriptors().get_service_by_name(service) else { return };
        self.services.push(service.to_owned());
        for method in descriptor.methods() {
            let Some(handler) = handler(method.name()) else { continue };
            let facts = method_facts(&method);
            let path = format!("/{service}/{}", method.name());
            let method = Method {
                path: path.clone(),
                input: method.input(),
                output: method.output(),
                is_query: facts.is_query,
                opens_sealed_content: facts.opens_sealed_content,
                filled_in: fields_to_fill_in(&method.input()),
                handler,
            };
            self.by_path.insert(path, method);
        }
        for method in descriptor.methods() {
            let Some(command) = repeated_command(&method) else { continue };
            let Some(command) = self.by_path.get(&format!("/{service}/{command}")).cloned() else { continue };
            let stream = StreamMethod { command, output: method.output() };
            self.streams.insert(format!("/{service}/{}", method.name()), stream);
        }
    }

    /// The method of a path.
    pub fn get(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// The method of a path that takes a stream.
    pub fn stream(&self, path: &str) -> Option<&StreamMethod> {
        self.streams.get(path)
    }

    /// The services.
    pub fn services(&self) -> &[String] {
        &self.services
    }

    /// Every method that is asked once, by path.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.by_path.values()
    }
}

fn fields_to_fill_in(request: &MessageDescriptor) -> Vec<(u32, FilledIn)> {
    request.fields().filter_map(|field| Some((field.number(), filled_in(&field)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_every_service_is_answered() {
        let methods = Methods::new(&daybook_domains::registry());
        // Nodes have a door of their own for each other.
        let of_nodes = "daybook.cluster.v1.ClusterService";
        let ours = descriptors()
            .services()
            .filter(|service| service.full_name().starts_with("daybook.") && service.full_name() != of_nodes);
        let expected: usize = ours.map(|service| service.methods().count()).sum();
        assert_eq!(methods.iter().count() + methods.streams.len(), expected);
        let stream = methods.stream("/daybook.product_analytics.v1.ProductAnalyticsService/RecordEventStream").unwrap();
        assert!(stream.command.path.ends_with("/RecordEvents"));
        let place = methods.get("/daybook.legal_hold.v1.LegalHoldService/PlaceHold").unwrap();
        assert!(!place.is_query);
        let reveal = methods.get("/daybook.legal_hold.v1.LegalHoldService/RevealItem").unwrap();
        assert!(reveal.opens_sealed_content);
        assert!(methods.get("/daybook.legal_hold.v1.LegalHoldService/GetHold").unwrap().is_query);
    }

    /// The door asks the policies whether a caller may call a method at all, by its name.
    #[test]
    fn every_method_is_an_action_of_its_domains_policies() {
        let registry = daybook_domains::registry();
        let schema = registry.shipped_schema();
        for method in Methods::new(&registry).iter() {
            let (Handler::Command { domain, .. } | Handler::Query { domain, .. }) = method.handler else { continue };
            let namespace = registry.get(domain).unwrap().policy_namespace;
            let (_, part) = schema.split_once(&format!("namespace {namespace} {{")).expect(namespace);
            let part = part.split("\nnamespace ").next().unwrap();
            let mut words = part.split(|c: char| !c.is_alphanumeric());
            assert!(words.any(|word| word == method.name()), "{namespace} has no action {}", method.name());
        }
    }
}
