//! Sealing a request at the door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::hmac;
use daybook_kernel::fields::identifier_problem;
use daybook_kernel::id::TenantId;
use daybook_kernel::rejection::Violations;
use daybook_mail_address::{Address, one_address};
use daybook_proto::{FieldClass, Sealing, SealingSubject};
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::PrivacyError;
use crate::cipher::{Key, Place};
use crate::content::{Carrier, carrier};
use crate::key_ring::{KeyId, KeyRing};
use crate::pseudonym::{is_pseudonym, pseudonym};
use crate::spellings::add_former_pseudonyms;

/// The field in which a message keeps its seal.
pub(crate) const SEALED: &str = "sealed";

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealMode {
    /// Content is sealed, identifiers of people become pseudonyms: for commands. May create keys.
    Seal,
    /// Identifiers of people become pseudonyms, other content is dropped: for queries. Creates no key but the tenant's.
    PseudonymsOnly,
    /// Content and identifiers give way to what has the form of a seal and of a pseudonym and is neither. Needs no key:
    /// for checking a request before any is made.
    FormOnly,
}

/// What stands for every pseudonym in a request that was not sealed.
const FORM_OF_PSEUDONYM: &str = "psn_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Seals requests.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<dyn KeyRing>,
}

impl Sealer {
    /// A sealer with a key ring.
    pub fn new(keys: Arc<dyn KeyRing>) -> Self {
        Self { keys }
    }

    /// Whether a request of this type can need sealing at all.
    pub fn concerns(&self, request: &prost_reflect::MessageDescriptor) -> bool {
        carrier(request).is_some()
    }

    /// Seals a request. When it returns, every key that the sealed request needs is durable.
    ///
    /// # Errors
    /// [`PrivacyError::Invalid`] when the caller filled in a seal himself or an id that keys are made for is not one,
    /// [`PrivacyError::Destroyed`] when a key was destroyed before.
    pub async fn seal(
        &self,
        request: &mut DynamicMessage,
        tenant: &TenantId,
        mode: SealMode,
    ) -> Result<(), PrivacyError> {
        if carrier(&request.descriptor()).is_none() {
            return Ok(());
        }
        // Each pass finds what the next one needs: whose pseudonyms, and which other ones people have, then which keys, then
        // the sealing itself.
        let surveyed = Survey::of(request, tenant, mode)?;
        let mut pass = Pass { mode, tenant_keys: BTreeMap::new(), wanted: BTreeMap::new(), keys: BTreeMap::new() };
        if mode != SealMode::FormOnly {
            for tenant in surveyed.of_people {
                let key = self.keys.get_or_create(&tenant, &[KeyId::pseudonyms()]).await?;
                pass.tenant_keys.extend(key.into_iter().next().map(|key| (tenant.clone(), key)));
            }
        }
        add_former_pseudonyms(request, tenant, &pass.tenant_keys);
        pass.collect(request, tenant);
        for (tenant, ids) in std::mem::take(&mut pass.wanted) {
            let ids: Vec<_> = ids.into_iter().collect();
            let keys = self.keys.get_or_create(&tenant, &ids).await?;
            pass.keys.extend(ids.into_iter().map(|id| (tenant.clone(), id)).zip(keys));
        }
        pass.apply(request, tenant)
    }

    /// The tenants under whose keys a request would be sealed.
    ///
    /// # Errors
    /// [`PrivacyError::Invalid`] as for sealing.
    pub fn tenants(&self, request: &mut DynamicMessage, tenant: &TenantId) -> Result<BTreeSet<TenantId>, PrivacyError> {
        Ok(Survey::of(request, tenant, SealMode::PseudonymsOnly)?.all)
    }

    /// The keys of items that a sealed request names, as seals name them.
    pub fn item_keys(&self, request: &mut DynamicMessage) -> Vec<String> {
        let mut keys = BTreeSet::new();
        item_keys(request, &mut keys);
        keys.into_iter().collect()
    }

    /// Names content that is not written down: equal for equal content of the same command, and of no use to anybody who
    /// does not hold the tenant's key.
    ///
    /// # Errors
    /// When the key ring cannot be read.
    pub async fn content_digest(
        &self,
        tenant: &TenantId,
        command_id: &[u8],
        content: &[u8],
    ) -> Result<Vec<u8>, PrivacyError> {
        let keys = self.keys.get_or_create(tenant, &[KeyId::pseudonyms()]).await?;
        let missing = || PrivacyError::Unavailable("the tenant's key was not made".to_owned());
        let key = keys.first().ok_or_else(missing)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let mut tag = hmac::Context::with_key(&key);
        for part in [b"daybook content of a command", command_id, content] {
            tag.update(&(part.len() as u64).to_be_bytes());
            tag.update(part);
        }
        Ok(tag.sign().as_ref()[..16].to_vec())
    }
}

fn item_keys(message: &mut DynamicMessage, found: &mut BTreeSet<String>) {
    let is_of_item = sealed_message(message).is_some_and(|(sealing, _)| sealing.subject == SealingSubject::Item);
    if is_of_item
        && let Some(sealed) = message.get_field_by_name(SEALED)
        && let Some(key_id) = sealed.as_message().and_then(|sealed| sealed.get_field_by_name("key_id"))
        && let Some(key_id) = key_id.as_str().filter(|key_id| !key_id.is_empty())
    {
        found.insert(key_id.to_owned());
    }
    let _: Result<(), ()> = children(message, |child, _| {
        item_keys(child, found);
        Ok(())
    });
}

/// The tenant whose keys apply inside a message.
pub(crate) fn tenant_inside(message: &DynamicMessage, outside: &TenantId) -> Result<TenantId, Violations> {
    let field = carrier(&message.descriptor()).and_then(|carrier| carrier.key_tenant.as_ref());
    let Some(field) = field else { return Ok(outside.clone()) };
    let value = message.get_field(field);
    let id = value.as_str().unwrap_or_default();
    if id.is_empty() {
        return Ok(outside.clone());
    }
    TenantId::parse(id).map_err(|problem| Violations::one(field.name(), problem.to_string()))
}

/// The id of the item or person that a message is sealed for.
pub(crate) fn subject_id(message: &DynamicMessage, sealing: &Sealing) -> String {
    let id = message.get_field_by_name(&sealing.id_field);
    id.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How a message is sealed that has content itself, with what it carries.
pub(crate) fn sealed_message(message: &DynamicMessage) -> Option<(&'static Sealing, &'static Carrier)> {
    let carrier = carrier(&message.descriptor())?;
    Some((carrier.sealing.as_ref()?, carrier))
}

/// Visits the messages inside a message that carry content.
pub(crate) fn children<E>(
    message: &mut DynamicMessage,
    mut visit: impl FnMut(&mut DynamicMessage, String) -> Result<(), E>,
) -> Result<(), E> {
    let Some(carrier) = carrier(&message.descriptor()).filter(|carrier| !carrier.inside.is_empty()) else {
        return Ok(());
    };
    for (field, value) in message.fields_mut() {
        if !carrier.inside.contains(&field.number()) {
            continue;
        }
        match value {
            Value::Message(child) => visit(child, field.name().to_owned())?,
            Value::List(children) => {
                for (i, child) in children.iter_mut().enumerate() {
                    if let Value::Message(child) = child {
                        visit(child, format!("{}[{i}]", field.name()))?;
                    }
                }
            }
            Value::Map(children) => {
                for child in children.values_mut() {
                    if let Value::Message(child) = child {
                        visit(child, field.name().to_owned())?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whose keys a request needs.
#[derive(Default)]
struct Survey {
    /// Every tenant that a sealed message belongs to.
    all: BTreeSet<TenantId>,
    /// Those whose people are named.
    of_people: BTreeSet<TenantId>,
    /// Whether the request is a command.
    is_written_down: bool,
    violations: Violations,
}

impl Survey {
    /// Finds the tenants, and what the caller must not send.
    fn of(request: &mut DynamicMessage, tenant: &TenantId, mode: SealMode) -> Result<Self, PrivacyError> {
        let mut survey = Self { is_written_down: mode != SealMode::PseudonymsOnly, ..Self::default() };
        survey.look(request, tenant, "");
        match std::mem::take(&mut survey.violations).or(()) {
            Ok(()) => Ok(survey),
            Err(violations) => Err(PrivacyError::Invalid(violations)),
        }
    }

    fn look(&mut self, message: &mut DynamicMessage, tenant: &TenantId, path: &str) {
        let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        let tenant = match tenant_inside(message, tenant) {
            Ok(tenant) => tenant,
            Err(wrong) => {
                self.violations.add_all(path, wrong);
                return;
            }
        };
        self.all.insert(tenant.clone());
        if let Some((sealing, _)) = sealed_message(message) {
            if message.has_field_by_name(SEALED) {
                self.violations.add(at(SEALED), "is output only");
            }
            let id = subject_id(message, sealing);
            match sealing.subject {
                SealingSubject::Person if id.trim().is_empty() => {
                    self.violations.add(at(&sealing.id_field), "must not be empty");
                }
                SealingSubject::Person if id.len() > 1_000 => {
                    self.violations.add(at(&sealing.id_field), "must have at most 1000 bytes");
                }
                SealingSubject::Person => {
                    if let Some(problem) = self.is_written_down.then(|| not_the_address_alone(&id)).flatten() {
                        self.violations.add(at(&sealing.id_field), problem);
                    }
                    self.of_people.insert(tenant.clone());
                }
                _ => {
                    if let Some(problem) = identifier_problem(&id) {
                        self.violations.add(at(&sealing.id_field), problem);
                    }
                }
            }
        }
        let _: Result<(), ()> = children(message, |child, name| {
            self.look(child, &tenant, &at(&name));
            Ok(())
        });
    }
}

/// What is wrong with an identifier that has a mail address in it and something beside it: it is compared as it is written,
/// so that nobody who has the address alone is meant by it.
fn not_the_address_alone(id: &str) -> Option<String> {
    if !id.contains('@') || Address::parse_lenient(id).is_ok() {
        return None;
    }
    match one_address(id) {
        Ok(address) => Some(format!("must be the address alone: {address}")),
        Err(reason) if id.matches('@').count() == 1 && id.contains([',', ';', '<', '>', '(', ')', ' ']) => {
            Some(format!("must be one mail address, for example maria@example.com: it {reason}"))
        }
        // Other systems name people as they like.
        Err(_) => None,
    }
}

struct Pass {
    mode: SealMode,
    tenant_keys: BTreeMap<TenantId, Key>,
    wanted: BTreeMap<TenantId, BTreeSet<KeyId>>,
    keys: BTreeMap<(TenantId, KeyId), Key>,
}

impl Pass {
    /// The key under which a message is sealed.
    fn key_id(&self, message: &DynamicMessage, tenant: &TenantId, sealing: &Sealing) -> Option<KeyId> {
        let id = subject_id(message, sealing);
        match sealing.subject {
            SealingSubject::Item => Some(KeyId::item(&id)),
            SealingSubject::Person if self.mode == SealMode::FormOnly => Some(KeyId::person(FORM_OF_PSEUDONYM)),
            SealingSubject::Person => Some(KeyId::person(&pseudonym(self.tenant_keys.get(tenant)?, &id))),
            SealingSubject::Unspecified => None,
        }
    }

    /// The content of a message: what only a holder of the key may read. `None` when there is none.
    fn content(message: &DynamicMessage, carrier: &Carrier) -> Option<DynamicMessage> {
        let mut content: Option<DynamicMessage> = None;
        for (field, class) in carrier.content.iter().filter(|(field, _)| message.has_field(field)) {
            let value = message.get_field(field);
            let text = value.as_str().unwrap_or_default();
            // A pseudonym that the caller got from us has no readable form to be kept.
            let is_readable = !text.is_empty() && (*class != FieldClass::Personal || !is_pseudonym(text));
            if is_readable {
                let content = content.get_or_insert_with(|| DynamicMessage::new(message.descriptor()));
                content.set_field(field, value.into_owned());
            }
        }
        content
    }

    fn collect(&mut self, message: &mut DynamicMessage, tenant: &TenantId) {
        let Ok(tenant) = tenant_inside(message, tenant) else { return };
        if self.mode == SealMode::Seal
            && let Some((sealing, carrier)) = sealed_message(message)
            && Self::content(message, carrier).is_some()
            && let Some(key_id) = self.key_id(message, &tenant, sealing)
        {
            self.wanted.entry(tenant.clone()).or_default().insert(key_id);
        }
        let _: Result<(), ()> = children(message, |child, _| {
            self.collect(child, &tenant);
            Ok(())
        });
    }

    fn apply(&self, message: &mut DynamicMessage, tenant: &TenantId) -> Result<(), PrivacyError> {
        let tenant = tenant_inside(message, tenant).map_err(PrivacyError::Invalid)?;
        children(message, |child, _| self.apply(child, &tenant))?;
        let Some((sealing, carrier)) = sealed_message(message) else { return Ok(()) };
        let key_id = self.key_id(message, &tenant, sealing);
        let content = Self::content(message, carrier);
        if self.mode != SealMode::PseudonymsOnly
            && let (Some(content), Some(key_id)) = (content, key_id)
        {
            let ciphertext = match self.mode {
                SealMode::FormOnly => Vec::new(),
                _ => self.ciphertext(message, &tenant, &key_id, &content)?,
            };
            let key_id = key_id.as_str().to_owned();
            set_sealed(message, &daybook_proto::privacy::v1::Sealed { key_id, ciphertext: ciphertext.into() })?;
        }
        self.strip(message, carrier, &tenant);
        Ok(())
    }

    fn ciphertext(
        &self,
        message: &DynamicMessage,
        tenant: &TenantId,
        key_id: &KeyId,
        content: &DynamicMessage,
    ) -> Result<Vec<u8>, PrivacyError> {
        let missing = || PrivacyError::Unavailable(format!("key {key_id} was not made"));
        let key = self.keys.get(&(tenant.clone(), key_id.clone())).ok_or_else(missing)?;
        let descriptor = message.descriptor();
        let place = Place { tenant: tenant.as_str(), key_id: key_id.as_str(), message: descriptor.full_name() };
        key.seal_at(&place, &content.encode_to_vec())
    }

    /// Leaves nothing readable behind.
    fn strip(&self, message: &mut DynamicMessage, carrier: &Carrier, tenant: &TenantId) {
        for (field, class) in &carrier.content {
            if !message.has_field(field) {
                continue;
            }
            let value = message.get_field(field).into_owned();
            message.clear_field(field);
            let readable = value.as_str().unwrap_or_default();
            if *class != FieldClass::Personal || readable.is_empty() {
                continue;
            }
            let pseudonym = match self.tenant_keys.get(tenant) {
                Some(key) => pseudonym(key, readable),
                None if self.mode == SealMode::FormOnly && is_pseudonym(readable) => readable.to_owned(),
                None if self.mode == SealMode::FormOnly => FORM_OF_PSEUDONYM.to_owned(),
                None => continue,
            };
            message.set_field(field, Value::String(pseudonym));
        }
    }
}

fn set_sealed(message: &mut DynamicMessage, sealed: &daybook_proto::privacy::v1::Sealed) -> Result<(), PrivacyError> {
    let unusable = || PrivacyError::Unavailable("the schema has no place for a seal".to_owned());
    let descriptor = daybook_proto::descriptors().get_message_by_name("daybook.privacy.v1.Sealed");
    let mut value = DynamicMessage::new(descriptor.ok_or_else(unusable)?);
    value.transcode_from(sealed).map_err(|_| unusable())?;
    message.try_set_field_by_name(SEALED, Value::Message(value)).map_err(|_| unusable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_by_the_address_alone() {
        for id in [
            "maria@example.com",
            "\"john doe\"@example.com",
            "eva@bücher.example",
            "@maria",
            "17",
            "a@b@c",
            "Keller, M",
        ] {
            assert_eq!(not_the_address_alone(id), None, "{id}");
        }
        for id in ["Maria Keller <maria@example.com>", "mailto:maria@example.com"] {
            let problem = not_the_address_alone(id);
            assert_eq!(problem.as_deref(), Some("must be the address alone: maria@example.com"), "{id}");
        }
        for id in ["maria@example,com", "maria keller@example.com <", "maria@example.com; x"] {
            assert!(not_the_address_alone(id).is_some_and(|problem| problem.contains("one mail address")), "{id}");
        }
    }
}
