//! What tells rows apart, and whether their order counts.

use arrow::array::{ArrayRef, RecordBatch};

use super::Mapper;
use crate::batch::{Identity, Order, Origin};
use crate::dataset::identity;
use crate::dataset::target::{KeyNulls, KeyPrecision};

/// The columns of a key that rows have, each with its grain and whether its times are cut off rather than
/// rounded; and what nulls in them mean.
pub(super) type KeyParts<'k, 'c> = (Vec<(&'k str, &'c ArrayRef, KeyPrecision, bool)>, KeyNulls);

/// Makes identities of rows whose values tell none.
pub(super) type MakeIdentities = fn(&Origin, &[u64]) -> Vec<Identity>;

impl Mapper {
    /// The columns by whose values rows are told apart, as far as these rows have them; `None` where each
    /// row is itself only, or the store alone can tell.
    pub fn key_of<'k>(&'k self, columns: &RecordBatch) -> Option<Vec<&'k str>> {
        let (parts, ..) = self.key_parts(columns).ok()?;
        Some(parts.into_iter().map(|(name, ..)| name).collect())
    }

    /// The parts of the key with how the store holds them, or how identities are made where rows cannot be
    /// told apart by their values.
    pub(super) fn key_parts<'k, 'c>(
        &'k self,
        columns: &'c RecordBatch,
    ) -> std::result::Result<KeyParts<'k, 'c>, MakeIdentities> {
        let target = &self.settings.target;
        let (key, nulls) = target.key_of(|name| columns.column_by_name(name).is_some());
        let mut parts = Vec::with_capacity(key.len());
        for name in key {
            let floor = columns.column_by_name(&format!("{name}_ns")).is_some();
            match (columns.column_by_name(name), target.column(name)) {
                (Some(_), Some(column)) if column.grain == KeyPrecision::Opaque => {
                    return Err(identity::of_opaque);
                }
                (Some(array), column) => {
                    parts.push((
                        name.as_str(),
                        array,
                        column.map_or(KeyPrecision::Exact, |c| c.grain),
                        floor,
                    ));
                }
                // The same in every row of the run.
                (None, _) if name == "tenant_id" => {}
                (None, Some(column)) if column.constant_default => {}
                (None, Some(column)) if column.nullable && !column.has_default => match nulls {
                    KeyNulls::Alike => {}
                    KeyNulls::Apart | KeyNulls::Never => return Err(identity::of_ordinals),
                },
                (None, _) => return Err(identity::of_opaque),
            }
        }
        if parts.is_empty() { Err(identity::of_ordinals) } else { Ok((parts, nulls)) }
    }

    /// The rows' identities, and whether each is that of a key, by which the row is known again.
    pub(super) fn identities(&self, columns: &RecordBatch, rows: &[u64]) -> (Vec<Identity>, bool) {
        let (named, nulls) = match self.key_parts(columns) {
            Ok(parts) => parts,
            Err(make) => return (make(&self.origin, rows), false),
        };
        let parts: Vec<(&ArrayRef, KeyPrecision, bool)> =
            named.iter().map(|(_, array, grain, floor)| (*array, *grain, *floor)).collect();
        let mut identities = identity::of_stored_keys(&parts, rows.len());
        let (key, _) = self.settings.target.key_of(|name| columns.column_by_name(name).is_some());
        if key.iter().any(|name| matches!(name.as_str(), "timeframe" | "interval")) {
            identity::side_by_side(&mut identities, &parts);
        }
        if nulls == KeyNulls::Apart && parts.iter().any(|(array, ..)| array.null_count() > 0) {
            let own = identity::of_ordinals(&self.origin, rows);
            for (row, own) in own.into_iter().enumerate() {
                if parts.iter().any(|(array, ..)| array.is_null(row)) {
                    identities[row] = own;
                }
            }
            return (identities, false);
        }
        (identities, true)
    }

    /// Whether the order of rows with those columns counts.
    pub(super) fn order(&self, columns: &RecordBatch, whole: bool) -> Order {
        let settings = &self.settings;
        let brings = |name: &str| {
            columns.column_by_name(name).is_some() || name == "tenant_id" && settings.tenant.is_some()
        };
        match (settings.one_lane || settings.target.is_ordered(brings), whole) {
            (false, _) => Order::Any,
            (true, false) => Order::Input,
            (true, true) => Order::Again,
        }
    }
}
