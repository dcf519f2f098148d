//! Which names of an input's columns may be loaded at all.
//!
//! Rows of JSON may have any number of names. A decoder that knows which of them matter keeps those
//! however many others there are, and need not keep all of the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::Field;

use crate::dataset::daytime;
use crate::dataset::known::rare_names;
use crate::dataset::mapper::{is_looked_at, is_zone_name};
use crate::dataset::mapping::MapOptions;
use crate::dataset::names::plain;
use crate::dataset::vocabulary::Words;
use crate::dataset::{Dataset, Target};

/// Whether a column of that name may be loaded, or change how others are.
pub type Wanted = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// In the metadata of a field whose values were not read.
const LEFT_OUT: &str = "mdsctl.left_out";

/// That field, of a column whose values were not read: all of them are null.
#[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "Parquet alone leaves columns out"))]
pub fn left_out(field: &Field) -> Field {
    let mark = HashMap::from([(LEFT_OUT.to_owned(), String::new())]);
    field.clone().with_nullable(true).with_metadata(mark)
}

/// Whether the values of the column were not read.
pub fn is_left_out(field: &Field) -> bool {
    field.metadata().contains_key(LEFT_OUT)
}

/// The names that matter for that table: those that its columns go by, what flags name, those whose values are looked at
/// for what they mean (`words` and `zone_from` of a layout name some), and what may tell the day, the time of day or the
/// zone of a time.
pub fn names(
    dataset: &Dataset,
    target: &Target,
    options: &MapOptions,
    words: &Words,
    zone_from: Option<&str>,
) -> Wanted {
    let mut exact: HashSet<String> = HashSet::new();
    for column in dataset.columns.iter() {
        exact.insert(column.name.as_ref().to_owned());
        exact.extend(column.synonyms.iter().map(|synonym| (*synonym).to_owned()));
        exact.extend(rare_names(&column.name).iter().map(|name| (*name).to_owned()));
    }
    exact.extend(words.keys().cloned());
    exact.extend(zone_from.map(str::to_owned));
    exact.extend(target.columns.iter().map(|column| column.name.clone()));
    for (name, source) in options.maps.iter().chain(&options.soft_maps) {
        exact.insert(name.clone());
        exact.insert(source.trim().to_owned());
        // It may be the names of two columns.
        let halves = source.match_indices('+').map(|(at, _)| [&source[..at], &source[at + 1..]]);
        exact.extend(halves.flatten().map(|half| half.trim().to_owned()));
    }
    let loose: HashSet<String> =
        exact.iter().map(|name| plain(name)).filter(|name| !name.is_empty()).collect();
    Arc::new(move |name: &str| {
        let plain = plain(name);
        exact.contains(name.trim())
            || loose.contains(&plain)
            || daytime::is_day_name(&plain)
            || daytime::is_clock_name(&plain)
            || daytime::is_epoch_name(&plain)
            || is_zone_name(&plain)
            || is_looked_at(&plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::BARS;

    #[test]
    fn names_that_matter_in_any_writing() {
        let options = MapOptions {
            maps: vec![("volume".into(), "Vol X".into()), ("ts".into(), "Tag+Uhrzeit".into())],
            ..MapOptions::default()
        };
        let words = Words::from([("Kind".to_owned(), Default::default())]);
        let wanted = names(&BARS, &Target::default(), &options, &words, Some("Place"));
        for name in [
            "close_price",
            "Close",
            " <CLOSE> ",
            "vol_x",
            "Tag",
            "uhrzeit",
            "Trade Date",
            "Time",
            "tz",
            // A rare name, an epoch, and those whose values tell what they are.
            "coin",
            "epoch_ms",
            "is_buyer_maker",
            "Direction",
            "period_start",
            "tickType",
            "s",
            // What a layout names.
            "Kind",
            "Place",
        ] {
            assert!(wanted(name), "{name}");
        }
        for name in ["x1", "", "Volume BTC", "adj_close_2"] {
            assert!(!wanted(name), "{name}");
        }
    }
}
