//! The domains of this release, registered in one place. A new domain is one line here and touches no other domain.

use std::sync::Arc;

use daybook_kernel::registry::Registry;

/// Every domain.
pub fn registry() -> Arc<Registry> {
    Arc::new(
        Registry::new()
            .with::<platform_processor::Platform>()
            .with::<legal_hold_processor::LegalHold>()
            .with::<product_analytics_processor::ProductAnalytics>(),
    )
}

/// The policies that ship. Development nodes get those that move the clock as well.
pub fn shipped_policies(registry: &Registry, development: bool) -> String {
    let shipped = registry.shipped_policies();
    if development { format!("{shipped}\n{}", platform_processor::DEVELOPMENT_POLICIES) } else { shipped }
}

/// Whether policies hold one of those that development nodes add, by its `@id`.
pub fn has_development_policies(policies: &str) -> bool {
    let mut ids = platform_processor::DEVELOPMENT_POLICIES.lines().filter(|line| line.starts_with("@id("));
    ids.any(|id| policies.contains(id.trim()))
}

/// Whether only development nodes take commands of a kind, whatever policies say.
pub fn is_for_development(domain: &str, kind: &str) -> bool {
    (domain, kind) == ("platform", platform_processor::ADVANCE_CLOCK)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use daybook_kernel::authorisation::Authority;
    use daybook_proto::{descriptors, method_facts, repeated_command};

    use super::*;

    #[test]
    fn the_policies_that_ship_have_no_mistakes() {
        for development in [false, true] {
            let registry = registry();
            let policies = shipped_policies(&registry, development);
            let loaded = daybook_policy::Cedar::new().load(&policies, &registry.shipped_schema());
            assert_eq!(loaded.map(|_| ()), Ok(()));
        }
    }

    #[test]
    fn the_policies_of_development_nodes_are_told_from_those_of_production() {
        let registry = registry();
        assert!(has_development_policies(&shipped_policies(&registry, true)));
        assert!(!has_development_policies(&shipped_policies(&registry, false)));
        let commands = registry.iter().flat_map(|domain| domain.public_kinds.iter().map(|kind| (domain.name, *kind)));
        let for_development: Vec<_> = commands.filter(|(domain, kind)| is_for_development(domain, kind)).collect();
        assert_eq!(for_development, [("platform", "AdvanceClock")]);
    }

    /// A method without code would answer "unimplemented", code without a method could not be reached.
    #[test]
    fn every_method_of_a_domain_is_a_command_or_a_query_or_a_stream_of_commands_and_the_other_way_round() {
        for domain in registry().iter() {
            let service = descriptors().get_service_by_name(domain.service).expect("the service exists");
            let methods = |queries: bool| {
                let wanted = service.methods().filter(|method| method_facts(method).is_query == queries);
                let wanted = wanted.filter(|method| repeated_command(method).is_none());
                wanted.map(|method| method.name().to_owned()).collect::<BTreeSet<_>>()
            };
            let commands = domain.public_kinds.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
            let queries = domain.queries.iter().map(|query| query.method.to_owned()).collect::<BTreeSet<_>>();
            assert_eq!(methods(false), commands, "commands of {}", domain.name);
            assert_eq!(methods(true), queries, "queries of {}", domain.name);
            for repeated in service.methods().filter_map(|method| repeated_command(&method)) {
                assert!(commands.contains(&repeated), "{repeated}, which {} repeats", domain.name);
            }
        }
    }

    #[test]
    fn every_code_is_declared_once() {
        let registry = registry();
        let mut names = BTreeSet::new();
        let domains = registry.iter().flat_map(|domain| domain.codes);
        for code in daybook_kernel::code::ALL.iter().chain(domains) {
            assert!(names.insert(code.name), "{code} is declared twice");
        }
    }
}
