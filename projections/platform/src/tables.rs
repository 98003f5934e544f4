//! Tables of the platform. Kinds below 16 are the kernel's, see `daybook_kernel::governance`.

use daybook_kernel::governance;
use daybook_kernel::system;
use daybook_proto::platform::v1::{ActivationRow, FeatureLevel, PolicySet, Tenant};

daybook_kernel::tables! {
    /// The platform's tables. Opened for the tenant `platform`.
    projection governance::PLATFORM;
    /// Tenants by id.
    tenants: 16, (String,) => Tenant;
    /// Policy sets with their text, by hash.
    policy_sets: 17, ([u8; 32],) => PolicySet;
    /// Policy sets by the offset of the command that published them; only the hash is set.
    policy_set_order: 18, (u64,) => PolicySet;
    /// The activation that was decided last: at most one row.
    activation: 19, () => ActivationRow;
    /// The feature level that was decided last: at most one row.
    feature_level: 20, () => FeatureLevel;
}

impl<'a> Tables<'a> {
    /// What this partition was told.
    pub fn governance(&self) -> governance::Tables<'a> {
        self.0.into()
    }

    /// What the partition loop keeps.
    pub fn partition(&self) -> system::Tables<'a> {
        self.0.partition().into()
    }
}

impl TablesMut<'_> {
    /// What this partition was told.
    pub fn governance(&mut self) -> governance::TablesMut<'_> {
        self.0.reborrow().into()
    }

    /// What the partition loop keeps.
    pub fn partition(&mut self) -> system::TablesMut<'_> {
        self.0.partition().into()
    }
}
