//! Alarms: what a domain wants an operator to see until it is settled.
//!
//! A projection raises an alarm when the facts that it applies show that something is not as it should be, and clears
//! it when they are again. Alarms are rows like any other, so every node that applies the same log shows the same ones;
//! the node's status and its metrics read them.

use daybook_proto::system::v1::AlarmRow;

use crate::domain::Moment;
use crate::id::TenantId;
use crate::key::All;
use crate::state::{Fault, Read, WriteSet};
use crate::system;
use crate::table::{View, ViewMut};
use crate::time::Timestamp;

/// The alarms of one domain about one tenant, for its projection to raise and clear.
pub struct Alarms<'a> {
    below: &'a dyn Read,
    writes: &'a mut WriteSet,
    tenant: &'a TenantId,
    domain: &'static str,
}

impl<'a> Alarms<'a> {
    pub(crate) fn new(
        below: &'a dyn Read,
        writes: &'a mut WriteSet,
        tenant: &'a TenantId,
        domain: &'static str,
    ) -> Self {
        Self { below, writes, tenant, domain }
    }

    fn tables(&mut self) -> system::TablesMut<'_> {
        system::TablesMut::from(ViewMut::new(self.below, self.writes, TenantId::partition()))
    }

    /// Raises an alarm. One that is raised already gets the new text and keeps its time.
    pub fn raise(&mut self, id: &str, text: &str, moment: &Moment<'_>) -> Result<(), Fault> {
        let (tenant, domain) = (self.tenant, self.domain);
        let mut tables = self.tables();
        let raised = tables.alarm_rows().get((tenant.as_str(), domain, id))?;
        let row = AlarmRow {
            text: text.to_owned(),
            raised_at_us: raised.map_or(moment.now.as_micros(), |row| row.raised_at_us),
            command_offset: moment.position.offset.0,
        };
        tables.alarm_rows().put((tenant.as_str(), domain, id), &row);
        Ok(())
    }

    /// Clears an alarm, if it is raised.
    pub fn clear(&mut self, id: &str) -> Result<(), Fault> {
        let (tenant, domain) = (self.tenant, self.domain);
        let mut tables = self.tables();
        if tables.alarm_rows().get((tenant.as_str(), domain, id))?.is_some() {
            tables.alarm_rows().delete((tenant.as_str(), domain, id));
        }
        Ok(())
    }
}

/// An alarm that is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The tenant concerned.
    pub tenant: String,
    /// The domain that raised it.
    pub domain: String,
    /// Its id inside tenant and domain.
    pub id: String,
    /// What is wrong and what to do.
    pub text: String,
    /// Since when.
    pub raised_at: Timestamp,
}

/// The alarms of a partition in the order of tenant, domain and id.
pub fn raised(state: &dyn Read) -> impl Iterator<Item = Result<Alarm, Fault>> {
    let tables = system::Tables::from(View::new(state, TenantId::partition()));
    tables.alarm_rows().scan(All).map(|row| {
        let ((tenant, domain, id), row) = row?;
        let raised_at = Timestamp::from_micros(row.raised_at_us);
        Ok(Alarm { tenant, domain, id, text: row.text, raised_at })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::id::{Offset, PartitionId, Position};
    use crate::state::MemoryState;
    use daybook_proto::log::v1::actor::Kind;

    #[test]
    fn an_alarm_keeps_its_time_until_it_is_cleared() {
        let (mut state, acme) = (MemoryState::default(), TenantId::parse("acme").unwrap());
        let mut at = |seconds: i64, change: &dyn Fn(&mut Alarms<'_>, &Moment<'_>)| {
            let moment = Moment {
                now: Timestamp::from_micros(seconds * 1_000_000),
                position: Position { partition: PartitionId(0), offset: Offset(7) },
                event_index: 0,
                tenant: &acme,
                actor_id: "",
                actor_kind: Kind::System,
                command_hash: Hash::of(b""),
            };
            let mut writes = WriteSet::default();
            change(&mut ViewMut::new(&state, &mut writes, &acme).alarms("legal_hold"), &moment);
            state.apply(&writes);
            raised(&state).collect::<Result<Vec<_>, _>>().unwrap()
        };
        let one = at(1, &|alarms, moment| alarms.raise("a", "it differs", moment).unwrap());
        let two = at(2, &|alarms, moment| alarms.raise("a", "it still differs", moment).unwrap());
        assert_eq!((one[0].raised_at, one[0].text.as_str()), (two[0].raised_at, "it differs"));
        assert_eq!(
            (two[0].tenant.as_str(), two[0].domain.as_str(), two[0].text.as_str()),
            ("acme", "legal_hold", "it still differs")
        );
        assert!(at(3, &|alarms, _| alarms.clear("a").unwrap()).is_empty());
        assert!(at(4, &|alarms, _| alarms.clear("a").unwrap()).is_empty(), "clearing what is not raised is no fault");
    }
}
