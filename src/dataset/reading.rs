//! How the columns of a row are read: as the flags say, or as a dead letter remembers it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::batch::{Form, Reading};
use crate::dataset::inferred::TimeForm;
use crate::dataset::nulls::NullTokens;
use crate::dataset::scale::{Scales, factor};
use crate::dataset::separators::{Decimal, Separators};
use crate::dataset::time::{DateOrder, TimeFormats, TimeOptions, TimeReader, Unit};
use crate::model::decimal::Decimal as DecimalNumber;
use crate::text::flags::{DATE_ORDER, DECIMAL, SCALE, TIME_FORMAT, TIMESTAMP_UNIT, TIMEZONE};

/// What is the same for all columns of a kind of them.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Zone, unit and order of times.
    pub time: TimeOptions,
    /// Texts that stand for null.
    pub nulls: NullTokens,
    /// Whether symbols keep their case.
    pub keep_case: bool,
    /// What stands before the decimals of a number, where the user says so.
    pub decimal: Option<Decimal>,
    /// What the numbers of columns are multiplied by.
    pub scales: Scales,
    /// How the times of columns are written.
    pub formats: TimeFormats,
}

/// How the columns of an input are read.
#[derive(Debug)]
pub struct Readings {
    /// As the flags say.
    flags: How,
    /// For rows out of a dead letter: what that says, and what comes of both.
    letter: Option<Remembered>,
}

#[derive(Debug)]
struct Remembered {
    reading: Arc<Reading>,
    /// Columns that stand as the input's own text: by the flags, and by the reading where they are silent.
    own: How,
    /// Columns that were understood: nothing in them has another meaning than the one that it shows.
    understood: How,
}

impl Readings {
    /// All columns by the flags.
    pub fn new(flags: How) -> Self {
        Self { flags, letter: None }
    }

    /// By what a dead letter says, where the flags are silent; `scales` and `formats` are what that says, by the names
    /// of the table.
    pub fn remember(&mut self, reading: Arc<Reading>, scales: Scales, formats: TimeFormats) {
        let flags = &self.flags;
        let parsed = |text: &Option<String>| text.as_deref().and_then(|zone| zone.parse().ok());
        let unit = reading.unit.as_deref().and_then(Unit::of_word);
        let order = reading.order.as_deref().and_then(DateOrder::of_word);
        let mut nulls = flags.nulls.more().to_vec();
        let understood = How {
            time: flags.time.clone(),
            nulls: NullTokens::only(nulls.clone()),
            keep_case: true,
            ..How::default()
        };
        nulls.extend(reading.null.iter().cloned());
        let own = How {
            time: TimeOptions {
                unit: flags.time.unit.or(unit),
                zone: flags.time.zone.or_else(|| parsed(&reading.zone)),
                order: flags.time.order.or(order),
                local_days: flags.time.local_days || reading.local_days,
                format: None,
            },
            scales,
            formats,
            nulls: NullTokens::with(nulls),
            keep_case: flags.keep_case || reading.keep_case,
            decimal: flags.decimal.or_else(|| reading.decimal.as_deref().and_then(Decimal::of_sign)),
        };
        self.letter = Some(Remembered { reading, own, understood });
    }

    /// What of a dead letter's reading means nothing here, where no flag says it: its columns would be read
    /// in another way than they were meant.
    pub fn unknown(reading: &Reading, flags: &How) -> Option<String> {
        let (time, decimal) = (&flags.time, flags.decimal);
        if reading.columns.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        let say = |what: &str, word: &str, flag: &str| {
            format!(
                "the record is to be read by the {what} {word:?}, which is not known; give {flag} to say how"
            )
        };
        let unit = |word: &String| {
            (time.unit.is_none() && Unit::of_word(word).is_none()).then(|| say("unit", word, TIMESTAMP_UNIT))
        };
        let order = |word: &String| {
            (time.order.is_none() && DateOrder::of_word(word).is_none())
                .then(|| say("order of dates", word, DATE_ORDER))
        };
        let sign = |word: &String| {
            (decimal.is_none() && Decimal::of_sign(word).is_none())
                .then(|| say("decimal sign", word, DECIMAL))
        };
        let zone = |word: &String| {
            (time.zone.is_none() && word.parse::<Tz>().is_err()).then(|| say("zone", word, TIMEZONE))
        };
        let of_form = |form: &Form| {
            let unit = form.unit.as_ref().and_then(unit);
            unit.or_else(|| form.order.as_ref().and_then(order))
                .or_else(|| form.decimal.as_ref().and_then(sign))
        };
        let factor = |(name, text): (&String, &String)| {
            (flags.scales.is_empty() && factor(text).is_err())
                .then(|| say("factor", &format!("{name}={text}"), SCALE))
        };
        let format = |text: &String| {
            (flags.formats.is_empty() && TimeFormats::read(std::slice::from_ref(text)).is_err())
                .then(|| say("format of times", text, TIME_FORMAT))
        };
        let told = reading.scale.iter().find_map(factor);
        if let Some(why) = told.or_else(|| reading.time_format.iter().find_map(format)) {
            return Some(why);
        }
        let own = reading.zone.as_ref().and_then(zone).or_else(|| reading.unit.as_ref().and_then(unit));
        let own = own.or_else(|| reading.order.as_ref().and_then(order));
        let own = own.or_else(|| reading.decimal.as_ref().and_then(sign));
        own.or_else(|| reading.forms.values().find_map(of_form))
    }

    /// How that column is read.
    pub fn of(&self, column: &str) -> &How {
        match &self.letter {
            None => &self.flags,
            Some(letter) if letter.reading.is_own_text(column) => &letter.own,
            Some(letter) => &letter.understood,
        }
    }

    /// Whether that column of a dead letter stands as the text of its input, which had no types; `None`
    /// where nothing is remembered of that.
    pub fn is_own_text(&self, column: &str) -> Option<bool> {
        let letter = self.letter.as_ref()?;
        Some(letter.reading.is_own_text(column) && !letter.reading.typed)
    }

    /// What a dead letter says of the signs in the numbers of that column: nothing where there is none,
    /// and `Some(None)` where they are plain since they were understood.
    pub fn signs(&self, column: &str) -> Option<Option<Separators>> {
        let letter = self.letter.as_ref()?;
        if !letter.reading.is_own_text(column) {
            return Some(None);
        }
        let form = letter.reading.forms.get(column).and_then(|form| form.decimal.as_deref());
        let decimal = self.flags.decimal.or_else(|| form.and_then(Decimal::of_sign)).or(letter.own.decimal);
        decimal.map(|decimal| Some(Separators::told(Some(decimal))))
    }

    /// What the numbers that the input has in that column are multiplied by: as the flags say, else as a dead letter
    /// says. What was multiplied already, stays.
    pub fn scale(&self, column: &str) -> Option<&DecimalNumber> {
        let by_flags = self.flags.scales.of(column);
        let Some(letter) = &self.letter else { return by_flags };
        let remembered = letter.own.scales.of(column);
        match letter.reading.is_own_text(column) {
            true => by_flags.or(remembered),
            false => by_flags.filter(|_| remembered.is_none()),
        }
    }

    /// Whether the numbers of any column are multiplied, or have been.
    pub fn scales(&self) -> bool {
        let remembered = self.letter.as_ref().is_some_and(|letter| !letter.reading.scale.is_empty());
        remembered || !self.flags.scales.is_empty()
    }

    /// What is said of the times in that column.
    pub fn time_options(&self, column: &str) -> TimeOptions {
        let format = match &self.letter {
            None => self.flags.formats.of(column),
            Some(letter) if letter.reading.is_own_text(column) => {
                self.flags.formats.of(column).or_else(|| letter.own.formats.of(column))
            }
            Some(_) => None,
        };
        TimeOptions { format: format.cloned(), ..self.of(column).time.clone() }
    }

    /// A reader of the times in that column.
    pub fn times(&self, column: &str) -> TimeReader {
        let options = self.time_options(column);
        let form = self.letter.as_ref().filter(|letter| letter.reading.is_own_text(column));
        let Some(form) = form.and_then(|letter| letter.reading.forms.get(column)) else {
            return TimeReader::new(options);
        };
        let unit = form.unit.as_deref().and_then(Unit::of_word);
        let order = form.order.as_deref().and_then(DateOrder::of_word);
        TimeReader::knowing(options, TimeForm { unit, order, ..TimeForm::default() })
    }

    /// How rows are to be read of which those columns, or all, stand as the input's own text.
    pub fn note(&self, columns: Option<Vec<String>>, mut forms: BTreeMap<String, Form>) -> Reading {
        let mut scale = BTreeMap::new();
        if let Some(letter) = &self.letter {
            scale.extend(letter.reading.scale.clone());
            letter.own.scales.note(&mut scale);
        }
        self.flags.scales.note(&mut scale);
        if columns.as_ref().is_some_and(Vec::is_empty) {
            return Reading { columns, scale, ..Reading::default() };
        }
        let mut time_format = Vec::new();
        self.flags.formats.note(&mut time_format);
        self.letter.iter().for_each(|letter| letter.own.formats.note(&mut time_format));
        // What the input told of its numbers stays with rows that fail once more.
        for (name, known) in self.letter.iter().flat_map(|letter| &letter.reading.forms) {
            let stands = columns.as_ref().is_none_or(|columns| columns.contains(name));
            if stands && (known.decimal.is_some() || known.thousands.is_some()) {
                let form = forms.entry(name.clone()).or_default();
                form.decimal = form.decimal.take().or_else(|| known.decimal.clone());
                form.thousands = form.thousands.take().or_else(|| known.thousands.clone());
            }
        }
        let own = self.letter.as_ref().map_or(&self.flags, |letter| &letter.own);
        Reading {
            columns,
            zone: own.time.zone.map(|zone| zone.name().to_owned()),
            unit: own.time.unit.map(|unit| unit.as_str().to_owned()),
            order: own.time.order.map(|order| order.as_str().to_owned()),
            local_days: own.time.local_days,
            null: own.nulls.more().to_vec(),
            decimal: own.decimal.map(|decimal| decimal.sign().to_string()),
            scale,
            time_format,
            keep_case: own.keep_case,
            forms,
            ..Reading::default()
        }
    }
}

/// What was deduced of the times of a column; `unit`: whether that of its epochs is to be held to.
pub fn form_of(times: &TimeReader, unit: bool) -> Form {
    let form = times.form();
    Form {
        unit: form.unit.filter(|_| unit).map(|unit| unit.as_str().to_owned()),
        order: form.order.map(|order| order.as_str().to_owned()),
        ..Form::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_of_numbers_outlives_a_second_failure() {
        let flags = How::default();
        let mut readings = Readings::new(flags);
        let form = Form { decimal: Some(",".into()), ..Form::default() };
        let reading = Reading {
            columns: Some(vec!["n".into(), "m".into()]),
            zone: Some("Asia/Tokyo".into()),
            forms: [("n".to_owned(), form.clone()), ("m".to_owned(), form)].into(),
            ..Reading::default()
        };
        readings.remember(Arc::new(reading.clone()), Scales::default(), TimeFormats::default());
        assert_eq!(readings.note(reading.columns.clone(), BTreeMap::new()), reading);
        let one = readings.note(Some(vec!["n".into()]), BTreeMap::new());
        assert_eq!(one.forms.keys().collect::<Vec<_>>(), ["n"]);
    }
}
