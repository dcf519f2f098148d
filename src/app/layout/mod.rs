//! Layouts: how the files of a vendor are read and what they mean, as data.
//!
//! A layout is a table of TOML: what it is known by ([`Sign`]), and a [`Spec`] in the words of the flags. Those that
//! are shipped are in `vendors/`; users add theirs to the configuration file, where a name of ours is theirs.
//! [`Layouts`] chooses one for each input, and lays what it says below what the user says.

mod choose;
mod sample;
mod sign;

use std::sync::OnceLock;

use serde::Deserialize;
use toml::{Table, Value};

pub use choose::{Choice, Layouts};
pub use sample::Sample;
pub use sign::Sign;

use crate::app::spec::Spec;
use crate::dataset::name_pattern::{Field, NamePattern};
use crate::error::{Error, Result, plain};
use crate::text::nearest::nearest;

/// The files of layouts that are shipped.
const SHIPPED: &[&str] = &[
    include_str!("vendors/alpaca.toml"),
    include_str!("vendors/alphavantage-json.toml"),
    include_str!("vendors/alphavantage.toml"),
    include_str!("vendors/ariva.toml"),
    include_str!("vendors/binance.toml"),
    include_str!("vendors/bitfinex.toml"),
    include_str!("vendors/bitmex.toml"),
    include_str!("vendors/bitstamp.toml"),
    include_str!("vendors/bybit.toml"),
    include_str!("vendors/cboe.toml"),
    include_str!("vendors/ccxt.toml"),
    include_str!("vendors/coinbase.toml"),
    include_str!("vendors/coinmarketcap.toml"),
    include_str!("vendors/cryptodatadownload.toml"),
    include_str!("vendors/databento.toml"),
    include_str!("vendors/deribit.toml"),
    include_str!("vendors/dukascopy.toml"),
    include_str!("vendors/finnhub.toml"),
    include_str!("vendors/firstrate.toml"),
    include_str!("vendors/fmp.toml"),
    include_str!("vendors/freqtrade.toml"),
    include_str!("vendors/gemini.toml"),
    include_str!("vendors/histdata.toml"),
    include_str!("vendors/historicaloptiondata.toml"),
    include_str!("vendors/hitbtc.toml"),
    include_str!("vendors/ibkr.toml"),
    include_str!("vendors/investing.toml"),
    include_str!("vendors/kibot.toml"),
    include_str!("vendors/kraken.toml"),
    include_str!("vendors/lean.toml"),
    include_str!("vendors/lseg.toml"),
    include_str!("vendors/massive.toml"),
    include_str!("vendors/metatrader.toml"),
    include_str!("vendors/nasdaq.toml"),
    include_str!("vendors/news.toml"),
    include_str!("vendors/newsapi.toml"),
    include_str!("vendors/nse.toml"),
    include_str!("vendors/okx.toml"),
    include_str!("vendors/optionmetrics.toml"),
    include_str!("vendors/optionsdx.toml"),
    include_str!("vendors/quandl.toml"),
    include_str!("vendors/sec.toml"),
    include_str!("vendors/simfin.toml"),
    include_str!("vendors/stooq.toml"),
    include_str!("vendors/tardis.toml"),
    include_str!("vendors/thetadata.toml"),
    include_str!("vendors/tiingo.toml"),
    include_str!("vendors/tradestation.toml"),
    include_str!("vendors/tradingview.toml"),
    include_str!("vendors/tushare.toml"),
    include_str!("vendors/twelvedata.toml"),
    include_str!("vendors/yahoo.toml"),
];

/// How the files of a vendor are read, and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The word for it, as `--layout` takes it.
    pub name: String,
    /// Whose files these are, for people.
    pub title: String,
    /// What is stored of a row and what is not, for people.
    pub stored: String,
    /// What it is known by: one of these.
    pub signs: Vec<Sign>,
    /// How its files are called, as `--name-pattern` has it; the first one that fits is taken.
    pub names: Vec<String>,
    patterns: Vec<NamePattern>,
    /// Fields of a name that are letters alone: a name that has more there says something else too.
    pub letters: Vec<String>,
    /// Columns that are not found by their name, which means another thing in these files.
    pub unmap: Vec<String>,
    /// Whether its times are of a zone that no file tells.
    pub zone_is_unknown: bool,
    /// The column that names the zone of the times.
    pub zone_from: Option<String>,
    /// What to say where it cannot be loaded as it is.
    pub hint: Option<String>,
    /// What it says of the data.
    pub spec: Spec,
}

/// What a layout says beside the words of the flags.
#[derive(Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[derive(Default)]
struct Head {
    title: String,
    stored: String,
    sign: Vec<Sign>,
    names: Vec<String>,
    letters: Vec<String>,
    unmap: Vec<String>,
    zone_is_unknown: bool,
    zone_from: Option<String>,
    hint: Option<String>,
}

/// Refuses a word that a layout does not know, with the one that is nearest to it.
fn known<'w>(
    layout: &str,
    place: &str,
    mut words: impl Iterator<Item = &'w String>,
    all: &[String],
) -> Result<(), String> {
    let Some(word) = words.find(|word| !all.contains(word)) else { return Ok(()) };
    let nearest = nearest(word, all.iter().map(String::as_str));
    let meant = nearest.map_or_else(
        || "; it says things in the words of the flags".to_owned(),
        |meant| format!("; the nearest is {meant:?}"),
    );
    Err(format!("layout {layout}: there is no word {word:?}{place}{meant}"))
}

/// The words that are no words of flags.
const HEAD: [&str; 9] =
    ["title", "stored", "sign", "names", "letters", "unmap", "zone-is-unknown", "zone-from", "hint"];

impl Layout {
    /// Reads one from its table.
    ///
    /// # Errors
    /// A sentence on what is wrong in it.
    pub fn read(name: &str, table: Table) -> Result<Self, String> {
        let all: Vec<String> = Spec::names().chain(HEAD.map(str::to_owned)).collect();
        known(name, "", table.keys(), &all)?;
        for sign in table.get("sign").and_then(Value::as_array).into_iter().flatten() {
            let names = sign.as_table().into_iter().flat_map(Table::keys);
            known(name, " of a sign", names, &Sign::NAMES.map(str::to_owned))?;
        }
        let (head, rest): (Vec<_>, Vec<_>) =
            table.into_iter().partition(|(key, _)| HEAD.contains(&key.as_str()));
        let wrong = |error: toml::de::Error| {
            let why =
                plain(error.message()).unwrap_or_else(|| "a value of another kind is needed".to_owned());
            format!("layout {name}: {why}")
        };
        let head: Head = Value::Table(head.into_iter().collect()).try_into().map_err(wrong)?;
        let spec: Spec = Value::Table(rest.into_iter().collect()).try_into().map_err(wrong)?;
        let patterns = head.names.iter().map(|text| NamePattern::parse(text)).collect::<Result<_, _>>();
        let patterns = patterns.map_err(|why| format!("layout {name}: {why}"))?;
        let title = if head.title.is_empty() { name.to_owned() } else { head.title };
        Ok(Self {
            name: name.to_owned(),
            title,
            stored: head.stored,
            signs: head.sign,
            names: head.names,
            patterns,
            letters: head.letters,
            unmap: head.unmap,
            zone_is_unknown: head.zone_is_unknown,
            zone_from: head.zone_from,
            hint: head.hint,
            spec,
        })
    }

    /// Those that the text of a file holds, one a table.
    ///
    /// # Errors
    /// A sentence on what is wrong in it.
    pub fn all_in(text: &str) -> Result<Vec<Self>, String> {
        let tables: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let read = |(name, value): (String, Value)| match value {
            Value::Table(table) => Self::read(&name, table),
            _ => Err(format!("layout {name}: a table is needed")),
        };
        tables.into_iter().map(read).collect()
    }

    /// The pattern that a name fits, as `--name-pattern` takes it.
    fn pattern_of(&self, stem: &str) -> Option<&str> {
        let are_letters = |fields: Vec<Field>| {
            let mut those = fields.iter().filter(|(name, _)| self.letters.contains(name));
            those.all(|(_, value)| value.chars().all(char::is_alphabetic))
        };
        let fits = |pattern: &NamePattern| sign::fields(pattern, stem).is_some_and(are_letters);
        let place = self.patterns.iter().position(fits)?;
        self.names.get(place).map(String::as_str)
    }
}

/// The layouts that are shipped, in the order of their names.
///
/// # Errors
/// Internal, where one of them cannot be read.
pub fn shipped() -> Result<&'static [Layout]> {
    static ALL: OnceLock<Result<Vec<Layout>>> = OnceLock::new();
    let read = || {
        let all: Result<Vec<Vec<Layout>>, String> = SHIPPED.iter().map(|text| Layout::all_in(text)).collect();
        let mut all: Vec<Layout> = all.map_err(Error::internal)?.into_iter().flatten().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    };
    ALL.get_or_init(read).as_deref().map_err(Clone::clone)
}

/// The list of layouts for `--layout help`.
///
/// # Errors
/// Internal, where one of them cannot be read.
pub fn listed(own: &[Layout]) -> Result<String> {
    let hidden = |layout: &&Layout| own.iter().all(|own| own.name != layout.name);
    let mut text = String::new();
    for layout in own.iter().chain(shipped()?.iter().filter(hidden)) {
        text.push_str(&format!("{}: {}\n", layout.name, layout.title));
        for sign in &layout.signs {
            text.push_str(&format!("    {}\n", sign.words(&layout.names)));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shipped_layouts_are_read_and_say_what_they_are() {
        let all = shipped().unwrap();
        for layout in all {
            assert!(!layout.signs.is_empty() && !layout.stored.is_empty(), "{}", layout.name);
            assert_ne!(layout.title, layout.name);
            assert!(layout.spec.dataset.is_some(), "{}", layout.name);
            assert_eq!(all.iter().filter(|other| other.name == layout.name).count(), 1, "{}", layout.name);
        }
        assert!(listed(&[]).unwrap().contains("binance-klines"));
    }

    #[test]
    fn what_is_wrong_in_a_table_is_told() {
        for (table, why) in [
            ("vendr = 'x'", "there is no word \"vendr\"; the nearest is \"vendor\""),
            ("time_zone = 'UTC'", "the nearest is \"timezone\""),
            ("banana = 1", "the words of the flags"),
            ("names = ['x']", "names no column"),
            ("sign = [{headr = ['x']}]", "\"headr\" of a sign; the nearest is \"header\""),
            ("dataset = 5", "layout x"),
        ] {
            let error = Layout::read("x", table.parse().unwrap()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
