//! Who asks.

use daybook_server::FIRST_TENANT;

/// Somebody with a token.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// The subject of the token.
    pub name: &'static str,
    /// The roles in it.
    pub roles: &'static [&'static str],
    /// The tenants that it speaks for.
    pub tenants: &'static [&'static str],
    /// Whether it is a program.
    pub service: bool,
}

const fn person(name: &'static str, roles: &'static [&'static str]) -> Person {
    Person { name, roles, tenants: &[FIRST_TENANT], service: false }
}

/// A records manager: registers items, sets retention, asks for deletions.
pub const RITA: Person = person("rita", &["records-manager"]);
/// Of the legal department: places holds.
pub const LEA: Person = person("lea", &["legal"]);
/// Of the legal department as well: the second person.
pub const LEO: Person = person("leo", &["legal"]);
/// Has a token and no role.
pub const NORA: Person = person("nora", &[]);
/// An auditor, of the tenant and of the platform.
pub const AUDREY: Person = Person { tenants: &[FIRST_TENANT, "platform"], ..person("audrey", &["auditor"]) };
/// The administrator of the platform, who may read the tenant as well.
pub const ROOT: Person = Person { tenants: &["platform", FIRST_TENANT], ..person("root", &["admin"]) };
/// A program that feeds items in and asks before it deletes.
pub const FEEDER: Person = Person { service: true, ..person("feeder", &["service"]) };
/// Of a product team: registers events, defines metrics, reads them.
pub const PIA: Person = person("pia", &["product"]);
/// Answers for privacy: sets how events are minimised.
pub const PETRA: Person = person("petra", &["privacy"]);
/// An analyst: reads metrics.
pub const ANNA: Person = person("anna", &["analyst"]);
