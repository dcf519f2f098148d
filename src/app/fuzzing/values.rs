//! Values: one text has one meaning, and what is written of it has the same.

use crate::dataset::time::{DateOrder, TimeError, TimeFormat, TimeOptions, TimeReader, Unit};
use crate::model::calendar::write_instant;
use crate::model::decimal::Decimal;

/// Lines of numbers.
pub(super) fn decimals(data: &[u8]) {
    for text in data.split(|byte| *byte == b'\n') {
        let Ok(number) = Decimal::parse(text) else { continue };
        let mut written = String::new();
        number.write(&mut written);
        assert_eq!(Decimal::parse(written.as_bytes()).as_ref(), Ok(&number), "written as {written}");
        let mut full = String::new();
        number.write_plain(&mut full);
        assert_eq!(Decimal::parse(full.as_bytes()).as_ref(), Ok(&number), "in full");
        assert_eq!(number.clone().normalised(), number);
        assert_eq!(number.is_zero(), number == Decimal::ZERO);
        // The nearest float, as the standard library has it.
        if let Ok(double) = std::str::from_utf8(text).unwrap_or_default().parse::<f64>() {
            assert_eq!(number.double(), double, "{written}");
            if let Some(short) = Decimal::from_f64(double) {
                assert_eq!(short.double(), double, "{written}");
            }
        }
        for decimals in [-3, 0, 2, 40] {
            let rounded = number.rounded(decimals);
            assert_eq!(rounded.rounded(decimals), rounded, "{written}");
        }
        number.fit(18, 4);
        if let Ok((integer, rounded)) = number.integer(true) {
            assert!(rounded || Decimal::from(integer) == number, "{written}");
        }
        number.wide();
        number.single();
    }
}

/// Lines of times; the first one may be the form that the others are written in.
pub(super) fn timestamps(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    let zone = |name: &str| name.parse().ok();
    let plain = TimeOptions::default();
    let format = lines.first().and_then(|line| TimeFormat::parse(line).ok()).map(Into::into);
    let all = [
        plain.clone(),
        TimeOptions { zone: zone("America/New_York"), order: Some(DateOrder::Dmy), ..plain.clone() },
        TimeOptions { zone: zone("Australia/Lord_Howe"), local_days: true, ..plain.clone() },
        TimeOptions { unit: Some(Unit::Milli), ..plain.clone() },
        TimeOptions { format, zone: zone("Asia/Kolkata"), ..plain },
    ];
    for options in all {
        for (days, wide) in [(false, false), (true, false), (false, true)] {
            column(&lines, &options, days, wide);
        }
    }
}

/// One column, read twice.
fn column(lines: &[&str], options: &TimeOptions, days: bool, wide: bool) {
    let reader = || {
        let mut reader = TimeReader::new(options.clone());
        reader.serve(days, wide);
        reader.learn(lines.iter().copied());
        reader
    };
    let (mut one, mut other) = (reader(), reader());
    for line in lines {
        let read = one.text(line);
        assert_eq!(read, other.text(line), "{line:?} is read in two ways");
        match read {
            Err(error) => {
                assert!(!one.message(error).is_empty() && !error.code().is_empty());
                assert_eq!(one.kind(error), other.kind(error));
                if error == TimeError::Twice {
                    let (first, second) = one.both();
                    assert!(first < second, "{line:?}");
                }
            }
            Ok(_) if days => {}
            Ok(nanos) => {
                let mut written = String::new();
                write_instant(nanos, 1_000_000_000, true, &mut written);
                let mut plain = TimeReader::default();
                plain.serve(false, true);
                assert_eq!(plain.text(&written), Ok(nanos), "{line:?} is {written}");
            }
        }
    }
    one.notes();
}
