//! What is said of data and how it is read: one specification for all who say something.
//!
//! Flags, variables and the configuration file come to one [`Spec`], and so do a layout and what the journal of a
//! replay has noted. Each leaves open what it does not say, and one is laid [over](Spec::over) the other: flag,
//! variable, configuration file, layout; what is open then is deduced from the input, or has its default in the
//! [plan](Spec::plan). The names of its fields are those of the flags, wherever it is written down.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::app::plan::DataPlan;
use crate::app::values::ValuePlan;
use crate::dataset::quality::Quality;
use crate::dataset::separators::Decimal;
use crate::dataset::time::{DateOrder, Unit};
use crate::dataset::vocabulary::Words;
use crate::decode::csv::{self, CsvOptions};
use crate::decode::each::Each;
use crate::decode::only_rows::OnlyRows;
use crate::decode::pivot::Pivot;
use crate::decode::split::Split;
use crate::decode::unpivot::Unpivot;
use crate::decode::{Format, JsonOptions};
use crate::settings::{OnConflict, quantity};
use crate::source::{Chooser, OpenOptions, TextEncoding};
use crate::text::choice;

/// A column, and where it is taken from or what it holds.
type Pair = (String, String);

macro_rules! spec {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)+) => {
        /// What somebody says of data; nothing has to be said.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Spec {
            $($(#[$attribute])* pub $name: Option<$type>,)+
        }

        impl Spec {
            /// The words for what may be said, as the flags have them.
            pub(crate) fn names() -> impl Iterator<Item = String> {
                [$(stringify!($name)),+].into_iter().map(|name| name.replace('_', "-"))
            }

            /// This one, and what it leaves open as the one below says. Columns are mapped, set and scaled one by one.
            pub fn over(self, below: Self) -> Self {
                let (map, set) = (columns(&self.map, &below.map), columns(&self.set, &below.set));
                let scale = columns(&self.scale, &below.scale);
                Self { map, set, scale, ..Self { $($name: self.$name.or(below.$name),)+ } }
            }
        }
    };
}

spec! {
    /// The name of the dataset.
    dataset: String,
    /// The table.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: String,
    /// The column `vendor` of every row.
    vendor: String,
    /// The column `symbol` of every row.
    symbol: String,
    /// The column `timeframe` of every row.
    timeframe: String,
    /// Whether what is given for every row takes precedence over a column that means the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    force_set: bool,
    /// How columns are found in the names of files.
    name_pattern: String,
    /// Columns, and the column or field of the input that each is taken from.
    #[serde(serialize_with = "to_pairs", deserialize_with = "of_pairs")]
    map: Vec<Pair>,
    /// Columns that have the same value in every row.
    #[serde(serialize_with = "to_pairs", deserialize_with = "of_pairs")]
    set: Vec<Pair>,
    /// What numbers are as times.
    #[serde(with = "choice")]
    timestamp_unit: Unit,
    /// The zone of times that name none.
    timezone: String,
    /// The order of dates.
    #[serde(with = "choice")]
    date_order: DateOrder,
    /// What stands before the decimals of a number.
    #[serde(serialize_with = "to_sign", deserialize_with = "of_sign")]
    decimal: Decimal,
    /// Columns, and what the numbers that the input has in them are multiplied by.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "to_pairs",
        deserialize_with = "of_pairs"
    )]
    scale: Vec<Pair>,
    /// How times are written: formats, each with its column before a `=`, or that of the time column.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_format: Vec<String>,
    /// Further texts that stand for null.
    null: Vec<String>,
    /// Whether symbols stay in the case that they have.
    keep_case: bool,
    /// Whether values with more decimals than their column are rejected.
    exact: bool,
    /// Whether fractions are rounded for columns of whole numbers.
    round: bool,
    /// What happens to a row whose key is there already.
    #[serde(with = "choice")]
    on_conflict: OnConflict,
    /// What to do with implausible rows.
    #[serde(with = "choice")]
    quality: Quality,
    /// The format.
    #[serde(serialize_with = "to_format", deserialize_with = "of_format")]
    format: Format,
    /// The encoding of texts.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "to_encoding",
        deserialize_with = "of_encoding"
    )]
    encoding: TextEncoding,
    /// The delimiter of CSV.
    #[serde(serialize_with = "to_character", deserialize_with = "of_character")]
    delimiter: u8,
    /// Whether the first line of CSV is a row.
    no_header: bool,
    /// The names of the columns where no line holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Vec<String>,
    /// Columns that become rows.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "to_pattern", deserialize_with = "of_pattern")]
    unpivot: Unpivot,
    /// A list in a column of which each element becomes a row.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "to_list", deserialize_with = "of_list")]
    each: Each,
    /// Columns, and how their texts are divided into columns: `kline.{interval}.{symbol}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Split,
    /// Columns, and the values of which a row has to have one; others are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_rows: OnlyRows,
    /// Columns, and what their values are stored as: null where that is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Words,
    /// Rows that become columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pivot: Pivot,
    /// Lines that the names of the columns stand in.
    #[serde(skip_serializing_if = "Option::is_none")]
    header_lines: u64,
    /// Where the rows of a JSON document are.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_at: String,
    /// Lines to skip before the header.
    skip_lines: u64,
    /// What comment lines begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: String,
}

/// Columns of the one, and those of the other that it does not name.
fn columns(over: &Option<Vec<Pair>>, below: &Option<Vec<Pair>>) -> Option<Vec<Pair>> {
    let (Some(own), Some(others)) = (over, below) else { return over.clone().or_else(|| below.clone()) };
    let is_open = |(name, _): &&Pair| own.iter().all(|(own, _)| own != name);
    Some(others.iter().filter(is_open).chain(own).cloned().collect())
}

impl Spec {
    /// All that a plan says.
    pub fn of(data: &DataPlan, open: &OpenOptions) -> Self {
        let (values, csv) = (data.values.clone(), &open.csv);
        Self {
            dataset: data.dataset.clone(),
            table: data.table.clone(),
            vendor: data.vendor.clone(),
            symbol: data.symbol.clone(),
            timeframe: data.timeframe.clone(),
            force_set: Some(data.force_set),
            name_pattern: data.name_pattern.clone(),
            map: Some(values.map),
            set: Some(values.set),
            timestamp_unit: values.timestamp_unit,
            timezone: values.timezone,
            date_order: values.date_order,
            decimal: values.decimal,
            scale: Some(values.scale).filter(|all| !all.is_empty()),
            time_format: Some(values.time_format).filter(|all| !all.is_empty()),
            null: Some(values.null),
            keep_case: Some(values.keep_case),
            exact: Some(values.exact),
            round: Some(values.round),
            on_conflict: Some(values.on_conflict).filter(|how| *how != OnConflict::default()),
            quality: Some(values.quality).filter(|how| *how != Quality::default()),
            format: open.format,
            encoding: open.encoding,
            delimiter: csv.delimiter,
            no_header: Some(!csv.header),
            columns: csv.columns.as_deref().map(<[String]>::to_vec),
            unpivot: open.unpivot.clone(),
            each: open.each.clone(),
            split: Some(open.split.clone()).filter(|split| !split.is_empty()),
            only_rows: Some(open.only_rows.clone()).filter(|only| !only.is_empty()),
            values: Some(data.words.clone()).filter(|words| !words.is_empty()),
            pivot: open.pivot.clone(),
            header_lines: Some(csv.header_lines).filter(|lines| *lines > 1),
            rows_at: csv.json.rows_at.as_deref().map(str::to_owned),
            skip_lines: Some(csv.skip_lines).filter(|lines| *lines > 0),
            comment: csv.comment.as_deref().map(str::to_owned),
        }
    }

    /// What is said in it, where that is not what holds by default.
    pub fn said(self) -> Self {
        let yes = |flag: Option<bool>| flag.filter(|yes| *yes);
        let some = |list: Option<Vec<Pair>>| list.filter(|list| !list.is_empty());
        Self {
            force_set: yes(self.force_set),
            map: some(self.map),
            set: some(self.set),
            null: self.null.filter(|texts| !texts.is_empty()),
            keep_case: yes(self.keep_case),
            exact: yes(self.exact),
            round: yes(self.round),
            no_header: yes(self.no_header),
            ..self
        }
    }

    /// Whether it says where the rows of a file are, or what their columns are called.
    pub fn describes_the_file(&self) -> bool {
        self.no_header.is_some()
            || self.skip_lines.is_some()
            || self.header_lines.is_some()
            || self.columns.is_some()
            || self.rows_at.is_some()
            || self.unpivot.is_some()
            || self.each.is_some()
    }

    /// What is meant, with the default of all that is open.
    pub fn plan(self) -> (DataPlan, OpenOptions) {
        let values = ValuePlan {
            map: self.map.unwrap_or_default(),
            set: self.set.unwrap_or_default(),
            timestamp_unit: self.timestamp_unit,
            timezone: self.timezone,
            date_order: self.date_order,
            decimal: self.decimal,
            scale: self.scale.unwrap_or_default(),
            time_format: self.time_format.unwrap_or_default(),
            null: self.null.unwrap_or_default(),
            keep_case: self.keep_case.unwrap_or_default(),
            exact: self.exact.unwrap_or_default(),
            round: self.round.unwrap_or_default(),
            on_conflict: self.on_conflict.unwrap_or_default(),
            quality: self.quality.unwrap_or_default(),
        };
        let data = DataPlan {
            dataset: self.dataset,
            table: self.table,
            vendor: self.vendor,
            symbol: self.symbol,
            timeframe: self.timeframe,
            force_set: self.force_set.unwrap_or_default(),
            name_pattern: self.name_pattern,
            assumed: Vec::new(),
            assumed_maps: Vec::new(),
            unmapped: Vec::new(),
            zone_from: None,
            words: self.values.unwrap_or_default(),
            values,
        };
        let csv = CsvOptions {
            delimiter: self.delimiter,
            header: !self.no_header.unwrap_or_default(),
            columns: self.columns.map(Into::into),
            json: JsonOptions {
                rows_at: self.rows_at.map(Into::into),
                mapped: mapped(&data.values.map),
                ..JsonOptions::default()
            },
            skip_lines: self.skip_lines.unwrap_or_default(),
            header_lines: self.header_lines.unwrap_or(1),
            comment: self.comment.map(Into::into),
            sure_header: self.unpivot.as_ref().is_some_and(Unpivot::names_are_values),
            ..CsvOptions::default()
        };
        (
            data,
            OpenOptions {
                format: self.format,
                csv,
                unpivot: self.unpivot,
                each: self.each,
                split: self.split.unwrap_or_default(),
                only_rows: self.only_rows.unwrap_or_default(),
                pivot: self.pivot,
                encoding: self.encoding,
                chooser: Chooser::default(),
            },
        )
    }
}

/// The names of the input that columns are taken from; a time may be taken from two.
pub(super) fn mapped(map: &[Pair]) -> Vec<String> {
    let halves = |source: &String| {
        let both = source.split_once('+').filter(|_| source.matches('+').count() == 1);
        let both = both.map(|(left, right)| [left.trim().to_owned(), right.trim().to_owned()]);
        std::iter::once(source.trim().to_owned()).chain(both.into_iter().flatten()).collect::<Vec<_>>()
    };
    map.iter().flat_map(|(_, source)| halves(source)).collect()
}

fn to_pairs<S: Serializer>(pairs: &Option<Vec<Pair>>, to: S) -> Result<S::Ok, S::Error> {
    let text = |(name, value): &Pair| format!("{name}={value}");
    pairs.as_ref().map(|pairs| pairs.iter().map(text).collect::<Vec<_>>()).serialize(to)
}

/// Reads them; the versions before noted a name and a value in the journal of a replay.
fn of_pairs<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Pair>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Noted {
        Text(String),
        Both(String, String),
    }
    let read = |noted: Noted| match noted {
        Noted::Text(text) => {
            quantity::pair(&text).map_err(|why| de::Error::custom(format!("{text:?}: {why}")))
        }
        Noted::Both(name, value) => Ok((name, value)),
    };
    let noted = Option::<Vec<Noted>>::deserialize(from)?;
    noted.map(|pairs| pairs.into_iter().map(read).collect()).transpose()
}

/// Reads a text that means something.
fn of_text<'de, T, E: std::fmt::Display, D: Deserializer<'de>>(
    from: D,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| read(&text).map_err(|why| de::Error::custom(format!("{text:?}: {why}")))).transpose()
}

fn to_sign<S: Serializer>(decimal: &Option<Decimal>, to: S) -> Result<S::Ok, S::Error> {
    decimal.map(Decimal::sign).serialize(to)
}

/// Reads it; the versions before noted its name in the journal of a replay.
fn of_sign<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
    of_text(from, |text| match text {
        "point" => Ok(Decimal::Point),
        "comma" => Ok(Decimal::Comma),
        sign => sign.parse(),
    })
}

fn to_pattern<S: Serializer>(unpivot: &Option<Unpivot>, to: S) -> Result<S::Ok, S::Error> {
    unpivot.as_ref().map(Unpivot::text).serialize(to)
}

fn of_pattern<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Unpivot>, D::Error> {
    of_text(from, Unpivot::parse)
}

fn to_list<S: Serializer>(each: &Option<Each>, to: S) -> Result<S::Ok, S::Error> {
    each.as_ref().map(Each::text).serialize(to)
}

fn of_list<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Each>, D::Error> {
    of_text(from, Each::parse)
}

fn to_character<S: Serializer>(delimiter: &Option<u8>, to: S) -> Result<S::Ok, S::Error> {
    delimiter.map(char::from).serialize(to)
}

fn of_character<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    of_text(from, csv::delimiter)
}

fn to_encoding<S: Serializer>(encoding: &Option<TextEncoding>, to: S) -> Result<S::Ok, S::Error> {
    encoding.map(TextEncoding::name).serialize(to)
}

fn of_encoding<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TextEncoding>, D::Error> {
    of_text(from, TextEncoding::of_name)
}

fn to_format<S: Serializer>(format: &Option<Format>, to: S) -> Result<S::Ok, S::Error> {
    format.map(|format| format.name).serialize(to)
}

fn of_format<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Format>, D::Error> {
    of_text(from, |name| Format::of_name(name).ok_or("it is not a format"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(toml: &str) -> Spec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn who_is_closer_to_the_user_takes_precedence_and_what_is_open_comes_from_below() {
        let flags = spec("timezone = 'UTC'\nno-header = false\nmap = ['ts=T']");
        let configuration = spec("timezone = 'Europe/Berlin'\nnull = ['x']\nskip-lines = 0\ndelimiter = ','");
        let layout = spec(
            "timezone = 'Asia/Tokyo'\nnull = ['y', 'z']\nskip-lines = 2\ndelimiter = '\\t'\nno-header = true
            map = ['ts=1', 'price=2']\ntimestamp-unit = 'ms'\ndate-order = 'dmy'\ndecimal = ','",
        );
        let (data, open) = flags.over(configuration).over(layout).plan();
        let values = data.values;
        assert_eq!(values.timezone.as_deref(), Some("UTC"));
        assert_eq!(values.null, ["x"]);
        assert_eq!((open.csv.skip_lines, open.csv.delimiter, open.csv.header), (0, Some(b','), true));
        assert_eq!(values.map, [("price".into(), "2".into()), ("ts".into(), "T".into())]);
        assert_eq!((values.timestamp_unit, values.date_order), (Some(Unit::Milli), Some(DateOrder::Dmy)));
        assert_eq!(values.decimal, Some(Decimal::Comma));
        // Nobody has said anything of them.
        assert_eq!((values.quality, values.on_conflict, values.exact), Default::default());
    }

    #[test]
    fn a_plan_is_what_its_specification_says() {
        let said = spec(
            "dataset = 'bars'\nvendor = 'v'\nforce-set = true\nset = ['a=b=c']\nround = true\nquality = 'reject'
            scale = ['close=0.0001']\ntime-format = ['%Y%m%d', 'expiry=%d.%m.%y']\non-conflict = 'skip'\nformat = 'csv'\nencoding = 'windows-1252'\ndelimiter = ';'\nskip-lines = 3\ncomment = '#'",
        );
        let (data, open) = said.clone().plan();
        let all = Spec::of(&data, &open);
        assert_eq!(all.clone().plan(), (data, open));
        // It says at least the same, and is written and read as it is.
        assert_eq!(said.clone().over(all.clone()), Spec { map: all.map.clone(), ..all.clone() });
        let written = serde_json::to_value(&all).unwrap();
        assert_eq!(serde_json::from_value::<Spec>(written).unwrap(), all);
        for wrong in ["vendr = 'x'", "quality = 'x'", "map = ['x']", "delimiter = 'ab'", "decimal = 'x'"] {
            assert!(toml::from_str::<Spec>(wrong).is_err(), "{wrong}");
        }
    }
}
