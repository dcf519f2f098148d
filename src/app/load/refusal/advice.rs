//! The flags that an error advises, as they stand in its sentence.

use crate::app::layout::Choice;
use crate::app::paste::DASHES;
use crate::app::plan::RunPlan;
use crate::app::spec::Spec;
use crate::dataset::time::Unit;
use crate::dataset::{ALL, Kind, by_name};
use crate::settings::quantity;
use crate::source::OpenOptions;
use crate::text::flags::{
    COLUMNS, DATASET, LAYOUT, MAP, NAME_PATTERN, NO_HEADER, ROWS_AT, SET, SKIP_LINES, SYMBOL, TIMEFRAME,
    TIMESTAMP_UNIT, VENDOR,
};

/// A flag that is advised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advice {
    /// The flag.
    pub(super) flag: String,
    /// Its value, as the sentence has it, where it takes one.
    pub(super) value: Option<String>,
    /// Whether the value stands for one that nobody knows yet.
    pub(super) blank: bool,
    /// By what the value is guessed.
    pub(super) by: Option<&'static str>,
}

/// Words that stand for a value, in sentences.
const BLANKS: [&str; 5] = ["VALUE", "COLUMN", "NUMBER", "N", "NAME,NAME,…"];

/// What stands before flags of which one has to be chosen.
const WHICH: &str = "say which: ";

/// How a column was chosen of several, to follow the name of what it was chosen for.
const SEVERAL: &str = "as the first of several columns";

/// A timeframe that is taken where none is known, and times, numbers and texts: to see what else is lacking.
const MADE_UP: (&str, &str, &str, &str) = ("1m", "2024-01-02T00:00:00Z", "1", "VALUE");

impl Advice {
    fn new(flag: &str, value: Option<String>) -> Self {
        let blank = value.as_deref().is_some_and(|value| {
            let said = value.rsplit_once('=').map_or(value, |(_, said)| said);
            BLANKS.contains(&said)
        });
        Self { flag: flag.to_owned(), value, blank, by: None }
    }

    /// Whether it is about the same as another one.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        let target = |advice: &Self| {
            let value = advice.value.clone().unwrap_or_default();
            value.split_once('=').map(|(target, _)| target.to_owned())
        };
        self.flag == other.flag
            && (![MAP, SET].contains(&self.flag.as_str()) || target(self) == target(other))
    }

    /// Whether it is about the timeframe.
    pub(super) fn is_timeframe(&self) -> bool {
        self.flag == TIMEFRAME
    }

    /// The column that it is about.
    pub(super) fn target(&self) -> &str {
        let value = self.value.as_deref().unwrap_or_default();
        match value.split_once('=') {
            Some((target, _)) if [MAP, SET].contains(&self.flag.as_str()) => target,
            _ => self.flag.trim_start_matches('-'),
        }
    }

    /// Whether nothing is left to say of it: one of several columns is a choice that somebody has to make.
    pub(super) fn is_said(&self) -> bool {
        !self.blank && self.by != Some(SEVERAL)
    }

    /// Its value as it is shown.
    pub(super) fn shown(&self) -> Option<String> {
        self.value.clone()
    }

    /// The plan with it; where its value is not known with one that lets the rows be read. Nothing where it is no flag
    /// of that kind.
    pub(super) fn applied_to(&self, plan: &RunPlan) -> Option<RunPlan> {
        let mut plan = plan.clone();
        let value = self.value.as_deref();
        if self.flag == LAYOUT {
            plan.layout = Choice::from(value?);
            return Some(plan);
        }
        let mut spec = Spec::of(&plan.data, &plan.open).said();
        let text = || value.map(str::to_owned);
        let mut pairs = (spec.map.take().unwrap_or_default(), spec.set.take().unwrap_or_default());
        match self.flag.as_str() {
            VENDOR => spec.vendor = text(),
            SYMBOL => spec.symbol = text(),
            TIMEFRAME if self.blank => spec.timeframe = Some(MADE_UP.0.to_owned()),
            TIMEFRAME => spec.timeframe = text(),
            DATASET => spec.dataset = text(),
            NAME_PATTERN => spec.name_pattern = text(),
            ROWS_AT if !self.blank => spec.rows_at = text(),
            NO_HEADER => spec.no_header = Some(true),
            SKIP_LINES => spec.skip_lines = Some(value?.parse().ok()?),
            COLUMNS if !self.blank => spec.columns = Some(value?.split(',').map(str::to_owned).collect()),
            TIMESTAMP_UNIT => spec.timestamp_unit = Some(Unit::of_word(value?)?),
            MAP if self.blank => {
                let (target, _) = value?.split_once('=')?;
                pairs.1.push((target.to_owned(), made_up(&spec, target)?));
                // What stands in for a value is no matter of the columns.
                spec.force_set = Some(true);
            }
            MAP => pairs.0.push(quantity::pair(value?).ok()?),
            SET if !self.blank => pairs.1.push(quantity::pair(value?).ok()?),
            _ => return None,
        }
        (spec.map, spec.set) = (Some(pairs.0), Some(pairs.1));
        let (data, open) = spec.plan();
        plan.open = OpenOptions { chooser: plan.open.chooser.clone(), ..open };
        plan.data = data;
        Some(plan)
    }
}

/// A value that a column takes.
fn made_up(spec: &Spec, target: &str) -> Option<String> {
    let dataset = spec.dataset.as_deref().and_then(by_name);
    let kind =
        dataset.into_iter().chain(ALL).find_map(|dataset| dataset.column(target)).map(|column| column.kind);
    let value = match kind {
        Some(Kind::Timestamp | Kind::Date) => MADE_UP.1,
        Some(kind) if kind.is_number() => MADE_UP.2,
        Some(Kind::OptionType) => "C",
        None if target == "ts" => MADE_UP.1,
        None if target.contains("price") || target == "volume" || target == "size" => MADE_UP.2,
        _ => MADE_UP.3,
    };
    Some(value.to_owned())
}

/// The flags that a sentence advises: those that follow its `add`, and those that it ends in.
pub(super) fn of(sentence: &str) -> Vec<Advice> {
    let mut all: Vec<Advice> = Vec::new();
    let mut take = |advice: Advice| {
        if !all.iter().any(|known| known.is_of(&advice)) {
            all.push(advice);
        }
    };
    if let Some((_, behind)) = sentence.split_once("; add --") {
        let text = [DASHES, behind].concat();
        leading(&words(&text)).into_iter().for_each(&mut take);
    }
    // Of columns that may each be meant the first one is shown.
    for behind in sentence.split(WHICH).skip(1).filter(|behind| behind.starts_with(MAP)) {
        let first = leading(&words(behind)).into_iter().next();
        first.into_iter().for_each(|advice| take(Advice { by: Some(SEVERAL), ..advice }));
    }
    // What the input may be is told behind what it lacks.
    let (lacks, perhaps) = sentence.split_once("; by its looks").unwrap_or((sentence, ""));
    for part in [lacks, perhaps] {
        at_the_end(part).into_iter().for_each(&mut take);
    }
    // Of a target that nobody has named there is nothing to try.
    all.retain(|advice| advice.value.as_deref().is_none_or(|value| !value.starts_with("TARGET=")));
    // A layout that others look like is taken where there is no other advice. Where columns have no names and it is the
    // only one it goes before others: it knows their scale and their zone.
    let is_layout = |advice: &Advice| advice.flag == LAYOUT;
    let nameless = |advice: &Advice| [NO_HEADER, COLUMNS].contains(&advice.flag.as_str());
    let only = sentence.matches(LAYOUT).count() == 1 && all.iter().any(nameless);
    let layout = all.iter().any(is_layout) && (only || all.iter().all(is_layout));
    all.retain(|advice| is_layout(advice) == layout);
    all
}

/// The flags that a sentence ends in.
fn at_the_end(sentence: &str) -> Vec<Advice> {
    for (at, _) in sentence.match_indices(" --") {
        let (before, behind) = sentence.split_at(at + 1);
        let Some(mut flags) = only_flags(&words(behind)) else { continue };
        // An example is no advice.
        for example in flags.iter_mut().filter(|advice| advice.flag == TIMEFRAME) {
            if before.ends_with("for instance ") {
                *example = Advice::new(TIMEFRAME, Some("VALUE".to_owned()));
            }
        }
        return flags;
    }
    Vec::new()
}

/// The words of a text as a shell has them, each with whether it stood in quotes.
fn words(text: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (mut word, mut quoted, mut inside, mut end) = (String::new(), false, false, rest.len());
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => {
                    word.push(c);
                    escaped = false;
                }
                '\'' if inside || word.is_empty() || word.ends_with('=') || quoted => {
                    inside = !inside;
                    quoted = true;
                }
                '\\' if !inside => escaped = true,
                c if c.is_whitespace() && !inside => {
                    end = at;
                    break;
                }
                c => word.push(c),
            }
        }
        all.push((word, quoted));
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    all
}

/// The flags at the beginning, up to what is none.
fn leading(words: &[(String, bool)]) -> Vec<Advice> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some((word, _)) = words.get(at).filter(|(word, quoted)| !quoted && word.starts_with("--")) {
        let flag = word.trim_end_matches(ENDS);
        let value = words.get(at + 1).filter(|(word, quoted)| *quoted || !word.starts_with("--"));
        if flag != word {
            all.push(Advice::new(flag, None));
            break;
        }
        match value {
            Some((value, quoted)) if takes_value(flag) => {
                let ended = !quoted && value.ends_with(ENDS);
                let value = if *quoted { value.clone() } else { value.trim_end_matches(ENDS).to_owned() };
                all.push(Advice::new(flag, Some(value)));
                at += 2;
                if ended {
                    break;
                }
            }
            _ => {
                all.push(Advice::new(flag, None));
                at += 1;
            }
        }
    }
    all.retain(|advice| advice.value.is_some() || !takes_value(&advice.flag));
    all
}

/// What a flag or its value is not part of, behind it.
const ENDS: [char; 4] = [',', ';', ':', ')'];

fn takes_value(flag: &str) -> bool {
    flag != NO_HEADER
}

/// Words that are flags alone, each with its value; of several with an `or` between them the first one.
fn only_flags(words: &[(String, bool)]) -> Option<Vec<Advice>> {
    let (mut all, mut at, mut other) = (Vec::new(), 0, false);
    while let Some((word, quoted)) = words.get(at) {
        if !quoted && word == "or" && !all.is_empty() {
            (other, at) = (true, at + 1);
            continue;
        }
        if *quoted || !word.starts_with("--") || word.ends_with(ENDS) {
            return None;
        }
        at += 1;
        let value = match takes_value(word) {
            true => {
                let (value, quoted) = words.get(at)?;
                if !quoted && (value.starts_with("--") || value.ends_with(ENDS) || value == "or") {
                    return None;
                }
                at += 1;
                Some(value.clone())
            }
            false => None,
        };
        if !std::mem::take(&mut other) {
            all.push(Advice::new(word, value));
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(sentence: &str) -> String {
        let all = of(sentence).into_iter().map(|advice| {
            let blank = if advice.blank { "?" } else { "" };
            advice.value.map_or(advice.flag.clone(), |value| format!("{} {value}{blank}", advice.flag))
        });
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_are_read_off_sentences() {
        for (sentence, wanted) in [
            ("x.csv: no column for \"vendor\": found a, b; add --vendor VALUE", "--vendor VALUE?"),
            ("no column for \"x\": found a; add --map x=COLUMN or --set x=VALUE", "--map x=COLUMN?"),
            (
                "its first line holds data and no names of columns (1, 2, …); add --no-header, by which the columns are called 1, 2, 3 and so on, and say which is which: for bars by the looks of them --no-header --map ts=1+2 --map volume=6",
                "--no-header --map ts=1+2 --map volume=6",
            ),
            (
                "its first line holds data (1, …); add --no-header, by which the columns are called 1, and say which is which: for instance --map ts=1 where the first column is the time",
                "--no-header",
            ),
            (
                "no timeframe in the columns, and the spacing of the rows tells none; add --timeframe, for instance --timeframe 1m",
                "--timeframe VALUE?",
            ),
            (
                "its header seems to be line 3 (a, b), and not what stands before it; add --skip-lines 2",
                "--skip-lines 2",
            ),
            (
                "columns a, b c could each be \"ts\"; say which: --map ts=a or --map 'ts=b c'; add --vendor VALUE",
                "--vendor VALUE? --map ts=a",
            ),
            (
                "closest is bars; missing: ts; add --dataset bars --map ts='my time' --vendor VALUE",
                "--dataset bars --map ts=my time --vendor VALUE?",
            ),
            (
                "no column for \"vendor\": found a; add --vendor VALUE; by its looks it may be of a layout: --layout kibot",
                "--vendor VALUE?",
            ),
            (
                "its first line holds data; add --no-header, by which the columns are called 1; by its looks it may be of a layout: --layout kibot",
                "--layout kibot",
            ),
            (
                "name the 2 columns in their order: for bars by the looks of them --columns ts,open; by its looks it may be of a layout: --layout ccxt or --layout gemini",
                "--columns ts,open",
            ),
            (
                "name the 2 columns in their order: --columns NAME,NAME,…; by its looks it may be of a layout: --layout ccxt or --layout gemini",
                "--columns NAME,NAME,…?",
            ),
            (
                "it is nothing; by its looks it may be of a layout: --layout kibot or --layout stooq",
                "--layout kibot",
            ),
            (
                "(the second \"A b\" is called \"A b#2\"); say which: --map 'ts=A b' or --map 'ts=A b#2'",
                "--map ts=A b",
            ),
            (
                "--vendor v: the input has a column \"vendor\"; leave the flag out, or add --force-set to give every row that one value",
                "",
            ),
            ("say which with --dataset bars|ticks|quotes, and name its columns with --map TARGET=SOURCE", ""),
        ] {
            assert_eq!(flags(sentence), wanted, "{sentence}");
        }
    }
}
