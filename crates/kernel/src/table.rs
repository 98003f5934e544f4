//! Typed tables: what processors read and projections write.
//!
//! A table set is opened for one tenant, and every key starts with that tenant: code that holds a table set cannot
//! name another tenant's rows.
//!
//! ```
//! use daybook_kernel::id::TenantId;
//! use daybook_kernel::state::{Layered, MemoryState, ProjectionId, WriteSet};
//! use daybook_kernel::table::{View, ViewMut};
//! use daybook_proto::log::v1::Position;
//!
//! daybook_kernel::tables! {
//!     /// What this example keeps.
//!     projection ProjectionId(200);
//!     /// The last position by name.
//!     positions: 1, (String,) => Position;
//! }
//!
//! let (state, mut writes) = (MemoryState::default(), WriteSet::default());
//! let (acme, globex) = (TenantId::parse("acme")?, TenantId::parse("globex")?);
//! TablesMut::from(ViewMut::new(&state, &mut writes, &acme)).positions().put(("last",), &Position::default());
//!
//! let state = Layered::new(&state).over(&writes);
//! assert!(Tables::from(View::new(&state, &acme)).positions().get(("last",))?.is_some());
//! assert!(Tables::from(View::new(&state, &globex)).positions().get(("last",))?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::marker::PhantomData;

use prost::Message;

use crate::alarm::Alarms;
use crate::id::TenantId;
use crate::key::{Key, KeyPart, Prefix, prefix_end};
use crate::state::{Direction, Fault, Layered, ProjectionId, Read, Row, Rows, Span, WriteSet};
use crate::system::Timers;

/// A table: where it lies, and the types of its keys and rows. Kinds are frozen: a table that is given up keeps its
/// number, so that no bytes are read as something else.
pub struct Table<K, R> {
    projection: ProjectionId,
    kind: u16,
    types: PhantomData<fn() -> (K, R)>,
}

impl<K: Key, R: Message + Default> Table<K, R> {
    /// Declares a table. Use [`tables!`](crate::tables), which gives it a name and keeps its number.
    pub const fn new(projection: ProjectionId, kind: u16) -> Self {
        Self { projection, kind, types: PhantomData }
    }

    fn prefix(&self, tenant: &TenantId, out: &mut Vec<u8>) {
        String::put(tenant.as_str(), out);
        u16::put(self.kind, out);
    }

    fn key(&self, tenant: &TenantId, key: K::Ref<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.prefix(tenant, &mut out);
        K::put(key, &mut out);
        out
    }

    fn span(&self, tenant: &TenantId, prefix: impl Prefix<K>) -> Span {
        let mut start = Vec::with_capacity(64);
        self.prefix(tenant, &mut start);
        prefix.put(&mut start);
        Span { end: prefix_end(&start), start }
    }

    fn decode(row: &[u8]) -> Result<R, Fault> {
        R::decode(row).map_err(|error| Fault::Damaged(format!("a row cannot be decoded: {error}")))
    }

    fn decode_row(&self, tenant: &TenantId, (key, row): Row) -> Result<(K, R), Fault> {
        // The prefix of this table: tenant and its terminator, then the kind.
        let fields = key.get(tenant.as_str().len() + 4..).unwrap_or_default();
        let key = K::take(fields).map_err(|error| Fault::Damaged(error.to_string()))?;
        Ok((key, Self::decode(&row)?))
    }
}

/// One tenant's state, to be read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    state: &'a dyn Read,
    tenant: &'a TenantId,
}

impl<'a> View<'a> {
    /// Opens the state for a tenant.
    pub fn new(state: &'a dyn Read, tenant: &'a TenantId) -> Self {
        Self { state, tenant }
    }

    /// Opens a table.
    pub fn table<K: Key, R: Message + Default>(&self, table: &'a Table<K, R>) -> TableView<'a, K, R> {
        TableView { view: *self, table }
    }

    /// The same state, for what the partition keeps for itself.
    pub fn partition(&self) -> View<'a> {
        View { state: self.state, tenant: TenantId::partition() }
    }
}

/// One tenant's rows of one table.
#[derive(Clone, Copy)]
pub struct TableView<'a, K, R> {
    view: View<'a>,
    table: &'a Table<K, R>,
}

impl<'a, K: Key + 'a, R: Message + Default + 'a> TableView<'a, K, R> {
    /// The row of a key.
    pub fn get(&self, key: K::Ref<'_>) -> Result<Option<R>, Fault> {
        let row = self.view.state.get(self.table.projection, &self.table.key(self.view.tenant, key))?;
        row.map(|row| Table::<K, R>::decode(&row)).transpose()
    }

    /// Whether there is a row.
    pub fn contains(&self, key: K::Ref<'_>) -> Result<bool, Fault> {
        Ok(self.view.state.get(self.table.projection, &self.table.key(self.view.tenant, key))?.is_some())
    }

    /// Where the rows whose key starts with `prefix` lie.
    pub fn span(&self, prefix: impl Prefix<K>) -> Span {
        self.table.span(self.view.tenant, prefix)
    }

    /// The rows whose key starts with `prefix`, smallest key first.
    pub fn scan(&self, prefix: impl Prefix<K>) -> Scan<'a, K, R> {
        self.rows(self.table.span(self.view.tenant, prefix), Direction::Ascending)
    }

    /// The same, largest key first.
    pub fn scan_back(&self, prefix: impl Prefix<K>) -> Scan<'a, K, R> {
        self.rows(self.table.span(self.view.tenant, prefix), Direction::Descending)
    }

    /// The rows whose key starts with `prefix` and is `from` or comes after it.
    pub fn scan_from(&self, prefix: impl Prefix<K>, from: K::Ref<'_>) -> Scan<'a, K, R> {
        let mut span = self.table.span(self.view.tenant, prefix);
        span.start = span.start.max(self.table.key(self.view.tenant, from));
        self.rows(span, Direction::Ascending)
    }

    /// The rows whose key starts with `prefix` and comes before `before`, largest key first.
    pub fn scan_back_from(&self, prefix: impl Prefix<K>, before: K::Ref<'_>) -> Scan<'a, K, R> {
        let mut span = self.table.span(self.view.tenant, prefix);
        let before = self.table.key(self.view.tenant, before);
        span.end = Some(span.end.map_or(before.clone(), |end| end.min(before)));
        self.rows(span, Direction::Descending)
    }

    fn rows(&self, span: Span, direction: Direction) -> Scan<'a, K, R> {
        let View { state, tenant } = self.view;
        Scan { rows: state.scan(self.table.projection, span, direction), table: self.table, tenant }
    }
}

/// Rows of a table, decoded one by one.
pub struct Scan<'a, K, R> {
    rows: Rows<'a>,
    table: &'a Table<K, R>,
    tenant: &'a TenantId,
}

impl<K: Key, R: Message + Default> Iterator for Scan<'_, K, R> {
    type Item = Result<(K, R), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.rows.next()?.and_then(|row| self.table.decode_row(self.tenant, row)))
    }
}

/// One tenant's state, to be changed.
pub struct ViewMut<'a> {
    below: &'a dyn Read,
    writes: &'a mut WriteSet,
    tenant: &'a TenantId,
}

impl<'a> ViewMut<'a> {
    /// Opens the state for a tenant; what is written lands in `writes`.
    pub fn new(below: &'a dyn Read, writes: &'a mut WriteSet, tenant: &'a TenantId) -> Self {
        Self { below, writes, tenant }
    }

    /// Opens a table.
    pub fn table<'b, K: Key, R: Message + Default>(&'b mut self, table: &'b Table<K, R>) -> TableMut<'b, K, R> {
        TableMut { below: self.below, writes: self.writes, tenant: self.tenant, table }
    }

    /// The state as it is with what was written so far.
    pub fn read<T>(&self, with: impl FnOnce(View<'_>) -> T) -> T {
        let state = Layered::new(self.below).over(self.writes);
        with(View::new(&state, self.tenant))
    }

    /// The tenant's timers.
    pub fn timers(&mut self) -> Timers<'_> {
        Timers::new(self.below, self.writes, self.tenant)
    }

    /// The alarms of a domain about the tenant.
    pub fn alarms(&mut self, domain: &'static str) -> Alarms<'_> {
        Alarms::new(self.below, self.writes, self.tenant, domain)
    }

    /// The same view, for a shorter time.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        ViewMut { below: self.below, writes: self.writes, tenant: self.tenant }
    }

    /// The same state, for what the partition keeps for itself.
    pub fn partition(&mut self) -> ViewMut<'_> {
        ViewMut { below: self.below, writes: self.writes, tenant: TenantId::partition() }
    }
}

/// One tenant's rows of one table, to be changed.
pub struct TableMut<'a, K, R> {
    below: &'a dyn Read,
    writes: &'a mut WriteSet,
    tenant: &'a TenantId,
    table: &'a Table<K, R>,
}

impl<K: Key, R: Message + Default> TableMut<'_, K, R> {
    /// The row of a key, with what was written so far.
    pub fn get(&self, key: K::Ref<'_>) -> Result<Option<R>, Fault> {
        let key = self.table.key(self.tenant, key);
        let row = match self.writes.get(self.table.projection, &key) {
            Some(written) => written.cloned(),
            None => self.below.get(self.table.projection, &key)?,
        };
        row.map(|row| Table::<K, R>::decode(&row)).transpose()
    }

    /// Sets a row.
    pub fn put(&mut self, key: K::Ref<'_>, row: &R) {
        self.writes.put(self.table.projection, self.table.key(self.tenant, key), row.encode_to_vec());
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: K::Ref<'_>) {
        self.writes.delete(self.table.projection, self.table.key(self.tenant, key));
    }

    /// Changes a row that must be there: an event about something unknown means that the state is damaged.
    pub fn update(&mut self, key: K::Ref<'_>, change: impl FnOnce(&mut R)) -> Result<R, Fault> {
        let missing = || Fault::Damaged(format!("a row of table {} is missing", self.table.kind));
        let mut row = self.get(key)?.ok_or_else(missing)?;
        change(&mut row);
        self.put(key, &row);
        Ok(row)
    }
}

/// Declares the tables of a projection: `Tables` to read them, `TablesMut` to change them.
///
/// Each line is `name: kind, key type => row type;`. See the [module](crate::table) for an example.
#[macro_export]
macro_rules! tables {
    (
        $(#[$doc:meta])*
        projection $projection:expr;
        $($(#[$table_doc:meta])* $name:ident: $kind:literal, $key:ty => $row:ty;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct Tables<'a>($crate::table::View<'a>);

        impl<'a> From<$crate::table::View<'a>> for Tables<'a> {
            fn from(view: $crate::table::View<'a>) -> Self {
                Self(view)
            }
        }

        impl<'a> Tables<'a> {
            $($(#[$table_doc])*
            pub fn $name(&self) -> $crate::table::TableView<'a, $key, $row> {
                const TABLE: &$crate::table::Table<$key, $row> = &$crate::table::Table::new($projection, $kind);
                self.0.table(TABLE)
            })*
        }

        $(#[$doc])*
        ///
        /// These may be changed.
        pub struct TablesMut<'a>($crate::table::ViewMut<'a>);

        impl<'a> From<$crate::table::ViewMut<'a>> for TablesMut<'a> {
            fn from(view: $crate::table::ViewMut<'a>) -> Self {
                Self(view)
            }
        }

        impl TablesMut<'_> {
            $($(#[$table_doc])*
            pub fn $name(&mut self) -> $crate::table::TableMut<'_, $key, $row> {
                const TABLE: &$crate::table::Table<$key, $row> = &$crate::table::Table::new($projection, $kind);
                self.0.table(TABLE)
            })*

            /// The tables as they are with what was written so far.
            pub fn read<T>(&self, with: impl FnOnce(Tables<'_>) -> T) -> T {
                self.0.read(|view| with(Tables(view)))
            }

            /// The tenant's timers.
            pub fn timers(&mut self) -> $crate::system::Timers<'_> {
                self.0.timers()
            }

            /// The alarms of a domain about the tenant.
            pub fn alarms(&mut self, domain: &'static str) -> $crate::alarm::Alarms<'_> {
                self.0.alarms(domain)
            }
        }

        const _: () = {
            let kinds: &[u16] = &[$($kind),*];
            let mut a = 0;
            while a < kinds.len() {
                let mut b = a + 1;
                while b < kinds.len() {
                    assert!(kinds[a] != kinds[b], "two tables have the same kind");
                    b += 1;
                }
                a += 1;
            }
        };
    };
}
