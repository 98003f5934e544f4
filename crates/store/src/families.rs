//! Which column family serves which projection.

use std::collections::BTreeMap;

use daybook_kernel::registry::Registry;
use daybook_kernel::state::ProjectionId;
use daybook_proto::system::v1::ProjectionRow;
use daybook_rocks::{Db, Family, FamilyRef, Memory, RocksError, Spec, families_on_disk, family};
use parking_lot::RwLock;
use prost::Message;

use crate::{META, StoreError, put_meta};

/// A projection with the version of the code that folds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionVersion {
    /// The projection.
    pub id: ProjectionId,
    /// Its name.
    pub name: String,
    /// Version of its rows.
    pub version: u32,
    /// How often it has been built, from 1. Of no meaning when a store is opened.
    pub generation: u64,
}

impl ProjectionVersion {
    /// The projections that a release folds: what the partition loop keeps, and one for each domain.
    pub fn of_release(registry: &Registry) -> Vec<Self> {
        /// Version of the rows that the loop itself keeps.
        const SYSTEM_VERSION: u32 = 1;
        let one = |id, name: &str, version| Self { id, name: name.to_owned(), version, generation: 0 };
        let domains = registry.iter();
        std::iter::once(one(ProjectionId::SYSTEM, "system", SYSTEM_VERSION))
            .chain(domains.map(|domain| one(domain.projection, domain.name, domain.projection_version)))
            .collect()
    }
}

/// The families that serve.
pub(crate) struct Families {
    serving: RwLock<BTreeMap<ProjectionId, Serving>>,
}

struct Serving {
    family: String,
    folded: ProjectionVersion,
    wanted_version: u32,
}

/// Name of the family of one generation of a projection.
pub(crate) fn family_name(projection: &str, generation: u64) -> String {
    format!("{projection}.{generation}")
}

pub(crate) fn row_key(projection: ProjectionId) -> Vec<u8> {
    format!("projection/{}", projection.0).into_bytes()
}

impl Families {
    /// Opens the serving families, creates those of new projections, and drops what an interrupted build left.
    pub(crate) fn open(db: &Db, wanted: &[ProjectionVersion], memory: &Memory) -> Result<Self, StoreError> {
        let mut serving = BTreeMap::new();
        for projection in wanted {
            let row = db.get_cf(&family(db, META)?, row_key(projection.id)).map_err(RocksError::from)?;
            let damaged = |what: &str| StoreError::Damaged(format!("projection {}: {what}", projection.name));
            let (row, is_new) = match row {
                Some(row) => {
                    (ProjectionRow::decode(&row[..]).map_err(|_| damaged("what describes it cannot be read"))?, false)
                }
                None => {
                    let row = ProjectionRow { generation: 1, version: projection.version };
                    put_meta(db, &row_key(projection.id), &row.encode_to_vec())?;
                    (row, true)
                }
            };
            let name = family_name(&projection.name, row.generation);
            match (db.cf_handle(&name), is_new) {
                (Some(_), _) => {}
                (None, true) => Spec::create_family(db, &Family::new(name.as_str()), memory)?,
                // An empty one in its place would forget every hold.
                (None, false) => return Err(damaged("its rows are missing")),
            }
            let folded = ProjectionVersion { generation: row.generation, version: row.version, ..projection.clone() };
            serving.insert(projection.id, Serving { family: name, folded, wanted_version: projection.version });
        }
        for name in families_on_disk(db)? {
            let serves = serving.values().any(|serving| serving.family == name);
            if name != META && name != "default" && !serves {
                db.drop_cf(&name).map_err(RocksError::from)?;
            }
        }
        Ok(Self { serving: RwLock::new(serving) })
    }

    /// The family that serves a projection now.
    pub(crate) fn current<'a>(&self, db: &'a Db, projection: ProjectionId) -> Result<FamilyRef<'a>, StoreError> {
        let serving = self.serving.read();
        let unknown = || StoreError::Failed(format!("projection {} is not open in this store", projection.0));
        Ok(family(db, &serving.get(&projection).ok_or_else(unknown)?.family)?)
    }

    /// The families that serve, with the result of what is done while no other can take their place.
    pub(crate) fn serving_while<'a, T>(
        &self,
        db: &'a Db,
        what: impl FnOnce() -> T,
    ) -> Result<(Vec<(ProjectionId, FamilyRef<'a>)>, T), StoreError> {
        let serving = self.serving.read();
        let families = serving.iter().map(|(id, serving)| Ok((*id, family(db, &serving.family)?)));
        let families = families.collect::<Result<_, StoreError>>()?;
        Ok((families, what()))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.serving.read().values().map(|serving| serving.family.clone()).collect()
    }

    pub(crate) fn versions(&self) -> Vec<ProjectionVersion> {
        self.serving.read().values().map(|serving| serving.folded.clone()).collect()
    }

    pub(crate) fn version(&self, projection: ProjectionId) -> Option<(ProjectionVersion, u32)> {
        let serving = self.serving.read();
        serving.get(&projection).map(|serving| (serving.folded.clone(), serving.wanted_version))
    }

    pub(crate) fn outdated(&self) -> Vec<ProjectionId> {
        let serving = self.serving.read();
        let outdated = serving.iter().filter(|(_, serving)| serving.folded.version != serving.wanted_version);
        outdated.map(|(id, _)| *id).collect()
    }

    /// Lets another generation serve from now on. Returns the family of the one before, which is to be dropped once this
    /// is on disk.
    pub(crate) fn swap(&self, db: &Db, built: &ProjectionVersion) -> Result<Option<String>, StoreError> {
        let row = ProjectionRow { generation: built.generation, version: built.version };
        let name = family_name(&built.name, built.generation);
        let mut serving = self.serving.write();
        put_meta(db, &row_key(built.id), &row.encode_to_vec())?;
        let now = Serving { family: name, folded: built.clone(), wanted_version: built.version };
        Ok(serving.insert(built.id, now).map(|before| before.family))
    }
}
