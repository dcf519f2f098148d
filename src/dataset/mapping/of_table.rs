//! The dataset that stands for a table of another making.

use std::borrow::Cow;

use crate::dataset::ALL;
use crate::dataset::describe::{Column, Dataset, Derivation, Kind, Requirement};
use crate::dataset::mapping::finder::{named, names_but};
use crate::dataset::target::{KeyNulls, Target};

/// The dataset that an existing table is, for `--table`: columns, types and key are the table's;
/// kinds and synonyms of a column are borrowed from the datasets where they have one of that name, or
/// from the one whose columns the table has by other names.
pub fn of_table(target: &Target) -> Dataset {
    let alike = ALL.iter().find(|dataset| is_like(target, dataset));
    let columns = target.columns.iter().map(|place| {
        let by_name = ALL.iter().find_map(|d| d.column(&place.name));
        let by_other_name = || alike.and_then(|d| d.columns.iter().find(|c| named(place, c)));
        let known = by_name.or_else(by_other_name);
        let in_key = target.key.contains(&place.name);
        let need = match (in_key, place.nullable || place.has_default) {
            (true, false) => Requirement::Key,
            (true, true) if place.has_default || target.nulls != KeyNulls::Never => Requirement::Optional,
            (true, true) => Requirement::Key,
            (false, false) => Requirement::Required,
            (false, true) => Requirement::Optional,
        };
        let text = |kind: Kind| {
            matches!(kind, Kind::Text | Kind::Symbol | Kind::UpperSymbol | Kind::Timeframe | Kind::OptionType)
        };
        // What a column called `interval` holds is only known where the rest is like bars.
        let known =
            known.filter(|known| known.kind != Kind::Timeframe || alike.is_some_and(|d| d.name == "bars"));
        Column {
            name: Cow::Owned(place.name.clone()),
            kind: match known {
                Some(_) if place.kind == Kind::UpperSymbol => place.kind,
                Some(known) if text(known.kind) && text(place.kind) => known.kind,
                _ => place.kind,
            },
            need,
            synonyms: known.map_or(&[], |known| names_but(known, &place.name)),
            derive: None,
        }
    });
    let time = target
        .columns
        .iter()
        .find(|c| c.kind == Kind::Timestamp && target.key.contains(&c.name))
        .map(|c| Cow::Owned(c.name.clone()));
    Dataset {
        name: Cow::Owned(target.table.clone()),
        table: Cow::Owned(target.table.clone()),
        columns: columns.collect(),
        key: Cow::Borrowed(&[]),
        earlier_keys: &[],
        time,
        chunk_days: 7,
        segment_by: &[],
        compress_days: 0,
        signature: &[],
        checks: &[],
    }
}

/// Whether the table has the dataset's key, the tenant aside, and all that tells it from others, each
/// under one name or another, and only one.
pub(super) fn is_like(target: &Target, dataset: &Dataset) -> bool {
    let once = |name: &&str| {
        let column = dataset.column(name);
        column.is_some_and(|column| target.columns.iter().filter(|place| named(place, column)).count() == 1)
    };
    let empty =
        |name: &&str| dataset.column(name).is_some_and(|column| column.derive == Some(Derivation::Empty));
    dataset.key.iter().filter(|name| **name != "tenant_id" && !empty(name)).all(once)
        && dataset.signature.iter().all(once)
}
