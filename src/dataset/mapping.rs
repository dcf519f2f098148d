//! Which column of the input feeds which column of the table.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_schema::Schema;

use crate::dataset::describe::{self, Column, Dataset, Derive, Kind, Need};
use crate::dataset::target::{KeyNulls, Target, TargetColumn};
use crate::error::{Error, Result};

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// The column of the input with that index.
    Source(usize),
    /// The same text in every row.
    Constant(String),
    /// Made from the row.
    Derived(Derive),
}

/// What the user said about columns.
#[derive(Debug, Clone, Default)]
pub struct MapOptions {
    /// `--map TARGET=SOURCE`.
    pub maps: Vec<(String, String)>,
    /// `--set COLUMN=VALUE`, and its short forms.
    pub sets: Vec<(String, String)>,
    /// Values from the name of the file, used where neither a column nor `sets` has one.
    pub from_name: Vec<(String, String)>,
}

/// The mapping of one input.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The columns to make, each with where it comes from; in the order of the dataset.
    pub columns: Vec<(Column, Arc<str>, Feed)>,
    /// Names of the input's columns that feed nothing.
    pub unused: Vec<String>,
    /// Columns of the dataset that the input has and the table has not.
    pub homeless: Vec<String>,
}

/// Finds the mapping of an input with these columns into that table.
pub fn resolve(dataset: &Dataset, target: &Target, source: &Schema, options: &MapOptions) -> Result<Mapping> {
    let names: Vec<&str> = source.fields().iter().map(|f| f.name().as_str()).collect();
    let mut used = vec![false; names.len()];
    let mut mapping = Mapping { columns: Vec::new(), unused: Vec::new(), homeless: Vec::new() };

    for (name, _) in options.maps.iter().chain(&options.sets) {
        if dataset.column(name).is_none() && target.column(name).is_none() {
            return Err(Error::Usage(format!(
                "{} has no column {name:?}; its columns are {}",
                target.table,
                list(target.columns.iter().map(|c| c.name.as_str()))
            )));
        }
    }

    for column in dataset.columns.iter().cloned().chain(extra_columns(dataset, target, options)) {
        let name = column.name.as_ref();
        let feed = find(&column, &names, options)?;
        if let Some(Feed::Source(index)) = feed {
            used[index] = true;
        }
        let Some(place) = target.column(name) else {
            let asked = options.sets.iter().chain(&options.maps).any(|(n, _)| n == name);
            if asked {
                return Err(Error::Usage(format!("{} has no column {name:?}", target.table)));
            }
            if feed.is_some() {
                mapping.homeless.push(name.to_owned());
            }
            continue;
        };
        let feed = match (feed, column.derive) {
            (Some(feed), _) => Some(feed),
            // The table's own default, or null, says it as well.
            (None, Some(Derive::Empty)) if place.has_default || place.nullable => continue,
            (None, derive) => derive.map(Feed::Derived),
        };
        match feed {
            Some(feed) => {
                let column = Column { need: need_of(&column, place.nullable, &feed), ..column };
                let name: Arc<str> = column.name.as_ref().into();
                mapping.columns.push((column, name, feed));
            }
            None if !place.has_default && (column.need != Need::Optional || !place.nullable) => {
                return Err(missing(&column, &names));
            }
            None => {}
        }
    }
    drop_underivable(&mut mapping, &names)?;

    for place in &target.columns {
        let fed = mapping.columns.iter().any(|(c, ..)| c.name == place.name);
        if !fed && !place.nullable && !place.has_default {
            return Err(Error::Usage(format!(
                "column {:?} of {} takes no null, has no default, and the input gives it no value; add --set {}=VALUE or --map {}=COLUMN",
                place.name, target.table, place.name, place.name
            )));
        }
    }
    mapping.unused =
        names.iter().zip(&used).filter(|(_, used)| !**used).map(|(n, _)| (*n).to_owned()).collect();
    Ok(mapping)
}

/// A key column stays one, unless what it lacks is made; any other may be null where the table lets it.
fn need_of(column: &Column, nullable: bool, feed: &Feed) -> Need {
    let made = !matches!(feed, Feed::Derived(_)) && column.derive.is_some_and(Derive::fills);
    match column.need {
        Need::Key if made => Need::Optional,
        Need::Expected | Need::Optional if !nullable => Need::Required,
        need => need,
    }
}

/// Columns of the table that the dataset does not know and the user named.
fn extra_columns<'a>(
    dataset: &'a Dataset,
    target: &'a Target,
    options: &'a MapOptions,
) -> impl Iterator<Item = Column> + 'a {
    target.columns.iter().filter_map(move |place| {
        let named = options.maps.iter().chain(&options.sets).any(|(name, _)| *name == place.name);
        (named && dataset.column(&place.name).is_none()).then(|| Column {
            name: Cow::Owned(place.name.clone()),
            kind: place.kind,
            need: Need::Optional,
            synonyms: &[],
            derive: None,
        })
    })
}

fn find(column: &Column, names: &[&str], options: &MapOptions) -> Result<Option<Feed>> {
    let name = column.name.as_ref();
    let given =
        |list: &[(String, String)]| list.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    if let Some(value) = given(&options.sets) {
        return Ok(Some(Feed::Constant(value)));
    }
    if let Some(source) = given(&options.maps) {
        let exact = names.iter().position(|n| *n == source);
        let index = exact.or_else(|| names.iter().position(|n| n.eq_ignore_ascii_case(&source)));
        return match index {
            Some(index) => Ok(Some(Feed::Source(index))),
            None => Err(Error::Usage(format!(
                "--map {name}={source}: there is no column {source:?}; found {}",
                list(names.iter().copied())
            ))),
        };
    }
    let taken =
        |index: usize| options.maps.iter().any(|(_, source)| source.eq_ignore_ascii_case(names[index]));
    let matching = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..names.len()).filter(|i| !taken(*i) && wanted(names[*i].trim())).collect()
    };
    let mut found = matching(&|n| n == name);
    if found.is_empty() {
        found = matching(&|n| n.eq_ignore_ascii_case(name));
    }
    if found.is_empty() {
        found = matching(&|n| column.synonyms.iter().any(|s| n.eq_ignore_ascii_case(s)));
    }
    match found[..] {
        [] => Ok(given(&options.from_name).map(Feed::Constant)),
        [one] => Ok(Some(Feed::Source(one))),
        _ => {
            let candidates: Vec<&str> = found.iter().map(|i| names[*i]).collect();
            Err(Error::Usage(format!(
                "columns {} could each be {name:?}; say which: --map {name}={}",
                list(candidates.iter().copied()),
                shell_word(candidates[0])
            )))
        }
    }
}

/// A derived column whose source is not there cannot be made.
fn drop_underivable(mapping: &mut Mapping, names: &[&str]) -> Result<()> {
    let present: Vec<String> = mapping.columns.iter().map(|(c, ..)| c.name.to_string()).collect();
    let has = |name: &str| present.iter().any(|p| p == name);
    let mut failed = None;
    mapping.columns.retain(|(column, _, feed)| {
        let made = match feed {
            Feed::Derived(Derive::Article { told_by, .. }) => told_by.iter().any(|s| has(s)),
            Feed::Derived(Derive::NanosOf(source) | Derive::SpacingOf(source)) => has(source),
            _ => true,
        };
        if !made && column.need != Need::Optional {
            failed = Some(column.clone());
        }
        made
    });
    match failed {
        Some(column) => Err(missing(&column, names)),
        None => Ok(()),
    }
}

fn missing(column: &Column, names: &[&str]) -> Error {
    let name = &column.name;
    let short = match name.as_ref() {
        "vendor" | "symbol" | "timeframe" => format!("--{name} VALUE"),
        "tenant_id" => "--tenant UUID or --tenant NAME".to_owned(),
        _ => format!("--map {name}=COLUMN or --set {name}=VALUE"),
    };
    Error::Usage(format!("no column for {name:?}: found {}; add {short}", list(names.iter().copied())))
}

/// A list for a message, bounded.
pub fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 30;
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let cut = |n: &&str| {
        if n.chars().count() > 40 { n.chars().take(40).chain(['…']).collect() } else { (*n).to_owned() }
    };
    let shown: Vec<String> = names.iter().map(cut).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".into(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

fn shell_word(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:#".contains(&b)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Finds the dataset that the columns of an input speak for.
pub fn detect(source: &Schema, options: &MapOptions) -> Result<&'static Dataset> {
    let names: Vec<&str> = source.fields().iter().map(|f| f.name().as_str()).collect();
    let has = |column: &Column| {
        let given = |list: &[(String, String)]| list.iter().any(|(n, _)| *n == column.name);
        given(&options.maps)
            || given(&options.sets)
            || names.iter().any(|n| {
                let n = n.trim();
                n.eq_ignore_ascii_case(&column.name)
                    || column.synonyms.iter().any(|s| n.eq_ignore_ascii_case(s))
            })
    };
    let named = |dataset: &Dataset, name: &str| dataset.column(name).is_some_and(has);
    // Bars and option chains both have a strike's neighbours: the most telling signature first.
    let mut order = ["options", "news", "bars", "ticks", "quotes", "fundamentals"]
        .into_iter()
        .filter_map(describe::by_name);
    let fits = |dataset: &&'static Dataset| match dataset.name.as_ref() {
        "options" => named(dataset, "strike") && named(dataset, "expiry"),
        "bars" => dataset.signature.iter().all(|s| named(dataset, s)),
        "ticks" => named(dataset, "price") && named(dataset, "size"),
        "quotes" => dataset.signature.iter().all(|s| named(dataset, s)),
        _ => dataset.signature.iter().any(|s| named(dataset, s)),
    };
    order.find(fits).ok_or_else(|| {
        Error::Usage(format!(
            "these columns are of no dataset that mdsctl knows: {}; say which with --dataset bars|ticks|quotes|options|fundamentals|news, and name its columns with --map TARGET=SOURCE",
            list(names.iter().copied())
        ))
    })
}

/// The dataset that an existing table is, for `--table`: columns, types and key are the table's;
/// kinds and synonyms of a column are borrowed from the datasets where they have one of that name, or
/// from the one whose columns the table has by other names.
pub fn of_table(target: &Target) -> Dataset {
    let alike = describe::ALL.iter().find(|dataset| is_like(target, dataset));
    let columns = target.columns.iter().map(|place| {
        let by_name = describe::ALL.iter().find_map(|d| d.column(&place.name));
        let by_other_name = || alike.and_then(|d| d.columns.iter().find(|c| named(place, c)));
        let known = by_name.or_else(by_other_name);
        let in_key = target.key.contains(&place.name);
        let need = match (in_key, place.nullable || place.has_default) {
            (true, false) => Need::Key,
            (true, true) if place.has_default || target.nulls != KeyNulls::Never => Need::Optional,
            (true, true) => Need::Key,
            (false, false) => Need::Required,
            (false, true) => Need::Optional,
        };
        let text = |kind: Kind| matches!(kind, Kind::Text | Kind::Symbol | Kind::OptionType);
        Column {
            name: Cow::Owned(place.name.clone()),
            kind: match known {
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

/// Whether the table's column is called as the dataset's is, or by one of its synonyms.
fn named(place: &TargetColumn, column: &Column) -> bool {
    place.name == column.name || column.synonyms.contains(&place.name.as_str())
}

/// Whether the table has the dataset's key, the tenant aside, and all that tells it from others, each
/// under one name or another, and only one.
fn is_like(target: &Target, dataset: &Dataset) -> bool {
    let once = |name: &&str| {
        let column = dataset.column(name);
        column.is_some_and(|column| target.columns.iter().filter(|place| named(place, column)).count() == 1)
    };
    let empty = |name: &&str| dataset.column(name).is_some_and(|column| column.derive == Some(Derive::Empty));
    dataset.key.iter().filter(|name| **name != "tenant_id" && !empty(name)).all(once)
        && dataset.signature.iter().all(once)
}

/// The names of a column, its own among them where the table calls it otherwise. Those are made
/// once a table and stay, as a description's names do.
fn names_but(known: &'static Column, name: &str) -> &'static [&'static str] {
    if known.name == name {
        return known.synonyms;
    }
    let own: &'static str = known.name.as_ref();
    let others = known.synonyms.iter().copied().filter(|other| *other != name);
    Box::leak(std::iter::once(own).chain(others).collect::<Box<[&'static str]>>())
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;
    use crate::dataset::target::Grain;
    use crate::dataset::{BARS, NEWS};

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect::<Vec<_>>())
    }

    fn table(dataset: &Dataset) -> Target {
        Target {
            table: dataset.table.to_string(),
            columns: dataset
                .columns
                .iter()
                .map(|c| TargetColumn {
                    name: c.name.to_string(),
                    kind: c.kind,
                    type_name: "text".into(),
                    nullable: c.need != Need::Key,
                    has_default: c.name == "tenant_id",
                    constant_default: c.name == "tenant_id",
                    grain: if c.kind == Kind::Timestamp { Grain::Micros } else { Grain::Exact },
                })
                .collect(),
            key: dataset.key.iter().map(|k| (*k).to_owned()).collect(),
            ..Target::default()
        }
    }

    fn set(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    fn bars(names: &[&str], options: &MapOptions) -> Result<Mapping> {
        resolve(&BARS, &table(&BARS), &schema(names), options)
    }

    #[test]
    fn vendors_names_find_their_columns() {
        let names = ["ticker", "volume", "open", "close", "high", "low", "window_start", "transactions", "x"];
        let options =
            MapOptions { sets: vec![set("vendor", "v"), set("timeframe", "1m")], ..Default::default() };
        let mapping = bars(&names, &options).unwrap();
        let of = |name: &str| mapping.columns.iter().find(|(c, ..)| c.name == name).map(|(.., f)| f.clone());
        assert_eq!(of("ts"), Some(Feed::Source(6)));
        assert_eq!(of("high_price"), Some(Feed::Source(4)));
        assert_eq!(of("trades"), Some(Feed::Source(7)));
        assert_eq!(of("vendor"), Some(Feed::Constant("v".into())));
        assert_eq!(of("tenant_id"), None);
        assert_eq!(mapping.unused, ["x"]);
    }

    #[test]
    fn the_canonical_name_goes_before_its_synonyms() {
        let names = ["ts", "date", "symbol", "vendor", "timeframe", "open", "high", "low", "close"];
        let mapping = bars(&names, &MapOptions::default()).unwrap();
        assert_eq!(mapping.columns[0].2, Feed::Source(0));
        assert_eq!(mapping.unused, ["date"]);
    }

    #[test]
    fn doubt_and_absence_are_said_with_the_remedy() {
        let options = MapOptions { sets: vec![set("vendor", "v")], ..Default::default() };
        let error = bars(&["date", "time", "symbol", "open", "high", "low", "close"], &options).unwrap_err();
        assert!(error.to_string().contains("--map ts=date"), "{error}");
        let error = bars(&["when", "symbol", "open", "high", "low", "close"], &options).unwrap_err();
        assert!(error.to_string().contains("no column for \"ts\": found when, symbol"), "{error}");
        let options = MapOptions { maps: vec![set("ts", "whn")], ..options };
        let error = bars(&["when", "symbol", "open", "high", "low", "close"], &options).unwrap_err();
        assert!(error.to_string().contains("there is no column \"whn\""), "{error}");
        let options = MapOptions { sets: vec![set("opne", "1")], ..Default::default() };
        let error = bars(&["ts"], &options).unwrap_err();
        assert!(error.to_string().contains("has no column \"opne\""), "{error}");
    }

    #[test]
    fn an_id_is_derived_where_the_news_have_none() {
        let names = ["published_utc", "headline", "url", "vendor"];
        let mapping = resolve(&NEWS, &table(&NEWS), &schema(&names), &MapOptions::default()).unwrap();
        assert!(mapping.columns.iter().any(|(c, _, f)| c.name == "id" && matches!(f, Feed::Derived(_))));
    }

    #[test]
    fn columns_tell_the_dataset() {
        let of = |names: &[&str]| detect(&schema(names), &MapOptions::default()).map(|d| d.name.to_string());
        assert_eq!(of(&["t", "o", "h", "l", "c", "v"]).unwrap(), "bars");
        assert_eq!(of(&["ts", "symbol", "price", "size"]).unwrap(), "ticks");
        assert_eq!(
            of(&["symbol", "expiration", "strike", "right", "open", "high", "low"]).unwrap(),
            "options"
        );
        assert_eq!(of(&["asof", "symbol", "eps"]).unwrap(), "fundamentals");
        assert_eq!(of(&["exchange", "symbol", "timestamp", "ask_price", "bid_price"]).unwrap(), "quotes");
        assert_eq!(of(&["ts", "symbol", "price", "size", "bid", "ask"]).unwrap(), "ticks");
        assert_eq!(of(&["published_at", "title"]).unwrap(), "news");
        assert!(of(&["foo", "bar"]).unwrap_err().to_string().contains("foo, bar"));
    }
}
