//! Every pair of a batch column's type and a table column's: exact, refused up front, or decided value
//! by value. This is the table of them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int64Array, LargeStringArray, NullArray, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;

use crate::batch::Pick;
use crate::model::values::Values;
use crate::sink::postgres::catalog::types::ColumnType::{self, *};
use crate::sink::postgres::encode::column::{CELL, Column, Size};
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{EncodeTarget, RoundingPolicy};
use crate::sink::postgres::encode::labels::Labels;
use crate::sink::postgres::encode::refusal::Refusal;

const PLAIN: RoundingPolicy = RoundingPolicy { exact: false, round: false };
const EXACT: RoundingPolicy = RoundingPolicy { exact: true, round: false };
const ROUND: RoundingPolicy = RoundingPolicy { exact: false, round: true };

/// Types of columns, one of each, in the order of the table.
const TYPES: [ColumnType; 21] = [
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric(None),
    Text,
    Varchar(Some(3)),
    Bpchar(Some(3)),
    Uuid,
    Json,
    Jsonb,
    Date,
    Timestamp(6),
    Timestamptz(6),
    Time(6),
    Enum,
    TextArray,
    Array,
    Other,
];

fn goal(type_: ColumnType) -> EncodeTarget {
    let labels = Arc::new(Labels::new(&["buy".into(), "sell".into()]));
    EncodeTarget { name: "c".into(), type_, type_name: "t".into(), not_null: false, floor: false, labels }
}

/// One array of each type that a batch may carry, and which columns take it: `x` may, `.` refused in
/// one sentence before anything is sent.
fn table() -> Vec<(ArrayRef, &'static str)> {
    let decimal = Decimal128Array::from(vec![1]).with_precision_and_scale(38, 0).unwrap();
    let digits = LargeStringArray::from(vec!["1"]);
    let coded: DictionaryArray<Int32Type> = ["buy"].into_iter().collect();
    //                                                  b i i i f f n t v c u j j d t t t e a a o
    vec![
        (Arc::new(NullArray::new(1)), "xxxxxxxxxxxxxxxxxxxxx"),
        (Arc::new(BooleanArray::from(vec![true])), "x...................."),
        (Arc::new(Int64Array::from(vec![1])), ".xxxxxx.............."),
        (Arc::new(Float32Array::from(vec![1.0])), ".xxxxxx.............."),
        (Arc::new(Float64Array::from(vec![1.0])), ".xxxxxx.............."),
        (Arc::new(decimal), ".xxxxxx.............."),
        (Arc::new(digits), ".xxxxxx.............."),
        (Arc::new(StringArray::from(vec!["buy"])), ".......xxxxxx...xxxxx"),
        (Arc::new(coded), ".......xxxxxx...xxxxx"),
        (Arc::new(Date32Array::from(vec![1])), ".............xxx....."),
        (Arc::new(TimestampNanosecondArray::from(vec![1])), ".............xxx....."),
    ]
}

#[test]
fn each_pair_is_taken_or_refused_up_front() {
    for (array, expected) in table() {
        let source = Values::of(&array).unwrap();
        let taken = TYPES.map(|type_| if goal(type_).takes(&source) { 'x' } else { '.' });
        assert_eq!(String::from_iter(taken), expected, "{}", array.data_type());
    }
}

type Fate = Result<bool, Refusal>;

/// What becomes of a value, by either way: whether it is rounded, or why it is refused.
fn fate(type_: ColumnType, array: &ArrayRef, rules: RoundingPolicy) -> Fate {
    let (goal, source) = (goal(type_), Values::of(array).unwrap());
    assert!(goal.takes(&source));
    let mut out = Out::small();
    let fate = goal.put(source, 0, rules, &mut out);
    let (mut cells, mut sizes) = ([[0; CELL]], [Size::NONE]);
    let picks = [Pick { part: 0, row: 0 }];
    Column::new(&goal, source, rules).cells(&goal, &picks, rules, &mut Out::small(), &mut cells, &mut sizes);
    match fate {
        Ok(rounded) if sizes[0] != Size::NONE => {
            assert_eq!((&cells[0][..sizes[0].len()], sizes[0].is_rounded()), (out.written(), rounded));
        }
        Ok(_) => assert!(out.len() > CELL, "{type_:?}: a short cell has no piece"),
        Err(_) => assert_eq!(sizes[0], Size::NONE, "{type_:?}: the short way takes what is refused"),
    }
    fate
}

fn text(text: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![text]))
}

fn double(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

fn decimal(value: i128, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap())
}

fn time(nanos: i64) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(vec![nanos]))
}

/// Exact; rounded, which is counted; refused, and whether only under `--exact`.
#[test]
fn values_that_do_not_fit_are_rounded_and_counted_or_refused() {
    let (exact, rounded) = (Ok(false), Ok(true));
    let day = 86_400_000_000_000i64;
    let long = || Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef;
    let cases: Vec<(ColumnType, ArrayRef, Fate, Fate)> = vec![
        // Integers.
        (Int2, double(5.0), exact, exact),
        (Int2, double(32_768.0), Err(Refusal::Range), Err(Refusal::Range)),
        (Int4, long(), Err(Refusal::Range), Err(Refusal::Range)),
        (Int8, decimal(50, 1), exact, exact),
        (Int8, decimal(55, 1), Err(Refusal::Fraction), Err(Refusal::Fraction)),
        (Int8, double(9.3e18), Err(Refusal::Range), Err(Refusal::Range)),
        // Numerics.
        (Numeric(None), double(0.1), exact, exact),
        (Numeric(Some((4, 2))), decimal(1_234, 2), exact, exact),
        (Numeric(Some((4, 2))), decimal(12_345, 3), rounded, Err(Refusal::Inexact)),
        (Numeric(Some((4, 2))), decimal(99_995, 3), Err(Refusal::Range), Err(Refusal::Range)),
        (Numeric(Some((4, -2))), decimal(1_250, 0), rounded, Err(Refusal::Inexact)),
        (Numeric(Some((4, 2))), long(), Err(Refusal::Range), Err(Refusal::Range)),
        // Floats are the nearest, which is what they are for; out of range they are refused.
        (Float4, double(0.1), exact, exact),
        (Float4, double(1e39), Err(Refusal::Range), Err(Refusal::Range)),
        (Float4, double(1e-46), Err(Refusal::Range), Err(Refusal::Range)),
        (Float8, double(f64::from_bits(1)), exact, exact),
        (Float8, decimal(i128::MAX / 2, 30), exact, exact),
        // Text: blanks that SQL cuts off are counted.
        (Varchar(Some(3)), text("abc"), exact, exact),
        (Varchar(Some(3)), text("abc "), rounded, Err(Refusal::Inexact)),
        (Varchar(Some(3)), text("äöüß"), Err(Refusal::TooLong), Err(Refusal::TooLong)),
        (Bpchar(Some(3)), text("abc "), exact, exact),
        (Bpchar(Some(3)), text("a"), exact, exact),
        (Bpchar(Some(3)), text("abcd"), Err(Refusal::TooLong), Err(Refusal::TooLong)),
        (Text, text("a\0"), Err(Refusal::ZeroByte), Err(Refusal::ZeroByte)),
        (Enum, text("buy"), exact, exact),
        (Enum, text("BUY"), Err(Refusal::NoLabel), Err(Refusal::NoLabel)),
        (Uuid, text("x"), Err(Refusal::NoUuid), Err(Refusal::NoUuid)),
        (Jsonb, text("{"), Err(Refusal::NoJson), Err(Refusal::NoJson)),
        (TextArray, text("{a}"), exact, exact),
        (Array, text("[1,null]"), exact, exact),
        (Array, text("[0:1]={1,2}"), exact, exact),
        (TextArray, text("a"), Err(Refusal::NoArray), Err(Refusal::NoArray)),
        (VarcharArray(Some(1)), text("{ab}"), Err(Refusal::TooLong), Err(Refusal::TooLong)),
        (VarcharArray(Some(1)), text("[\"a \"]"), rounded, Err(Refusal::Inexact)),
        // Times.
        (Time(6), text("09:30:00.1234567"), rounded, Err(Refusal::Inexact)),
        (Time(0), text("09:30:00.5"), rounded, Err(Refusal::Inexact)),
        (Time(6), text("9.30"), Err(Refusal::NoClock), Err(Refusal::NoClock)),
        (Time(6), text("25:00"), Err(Refusal::Time), Err(Refusal::Time)),
        (Date, time(3 * day), exact, exact),
        (Date, time(3 * day + 1_000), rounded, Err(Refusal::Inexact)),
        (Date, time(3 * day + 1), rounded, Err(Refusal::Inexact)),
        (Date, time(-1), rounded, Err(Refusal::Inexact)),
        (Timestamptz(6), time(1_000), exact, exact),
        (Timestamptz(6), time(1_001), rounded, Err(Refusal::Inexact)),
        (Timestamp(3), time(1_000), rounded, Err(Refusal::Inexact)),
        (Timestamp(6), Arc::new(Date32Array::from(vec![1])), exact, exact),
        (Date, Arc::new(Date32Array::from(vec![i32::MIN + 1])), Err(Refusal::Time), Err(Refusal::Time)),
        // What is not a number is null.
        (Float8, double(f64::NAN), exact, exact),
        (Numeric(None), double(f64::INFINITY), exact, exact),
    ];
    for (at, (type_, array, plain, strict)) in cases.into_iter().enumerate() {
        assert_eq!(fate(type_, &array, PLAIN), plain, "{at}: {type_:?}, {array:?}");
        assert_eq!(fate(type_, &array, EXACT), strict, "{at}: {type_:?}, {array:?}, --exact");
    }
    assert_eq!(fate(Int8, &decimal(55, 1), ROUND), rounded);
}
