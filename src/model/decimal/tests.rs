use proptest::prelude::*;

use super::*;

fn of(text: &str) -> Decimal {
    Decimal::parse(text.as_bytes()).unwrap()
}

fn small(mantissa: i128, scale: i32) -> Decimal {
    Decimal::Small { mantissa, scale }
}

fn shown(number: &Decimal) -> String {
    let mut out = String::new();
    number.write(&mut out);
    out
}

#[test]
fn reads_what_vendors_write() {
    for (text, exact) in [
        ("0", "0"),
        ("-0.0", "0"),
        ("150.2500", "150.25"),
        ("+7", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1.5E-7", "0.00000015"),
        ("25643711.0", "25643711"),
        ("0.123456789012345678", "0.123456789012345678"),
        ("99999999999999999999.123456789012345678", "99999999999999999999.123456789012345678"),
        ("9223372036854775808", "9223372036854775808"),
        ("1234567890123456789012345678901234567890.5", "1234567890123456789012345678901234567890.5"),
        ("0.00000000000000000000000000000000000000000000000000", "0"),
        ("000000000000000000000000000000000000000000000012.50", "12.5"),
        ("-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"),
        ("170141183460469231731687303715884105728", "170141183460469231731687303715884105728"),
    ] {
        assert_eq!(shown(&of(text)), exact, "{text}");
    }
}

#[test]
fn refuses_what_is_no_number() {
    for text in [
        "",
        "-",
        ".",
        "1.2.3",
        "1,000",
        "abc",
        "1e",
        "e5",
        "0x10",
        "--1",
        "1 ",
        "NaN",
        "1e5e5",
        "1e5.0",
        "x",
        "+-7.1234567890123456789",
    ] {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(NumberError::Syntax), "{text}");
    }
    for text in ["1e131072", "1e-16384", "1e999999999999999999999"] {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(NumberError::TooLong), "{text}");
    }
    assert_eq!(Decimal::parse("7".repeat(131_073).as_bytes()), Err(NumberError::TooLong));
    assert!(Decimal::parse(b"1e131071").is_ok() && Decimal::parse(b"1e-16383").is_ok());
}

#[test]
fn a_long_number_has_one_form() {
    for (text, form) in [
        ("1e80", "1e80"),
        ("0010.00e79", "1e80"),
        ("-0.000e5", "0"),
        ("+12.50e-100", "125e-101"),
        ("-12e-90", "-12e-90"),
        ("1e75", "1000000000000000000000000000000000000000000000000000000000000000000000000000"),
        ("1e76", "1e76"),
        ("1e-77", "1e-77"),
    ] {
        assert_eq!(shown(&of(text)), form, "{text}");
    }
    for digits in [76, 77] {
        assert_eq!(of(&"7".repeat(digits)).is_short(), digits == 76);
    }
    let mut out = String::new();
    of("-125e-90").write_plain(&mut out);
    assert_eq!(out, format!("-0.{}125", "0".repeat(87)));
}

#[test]
fn one_number_is_equal_to_itself_however_it_came() {
    let half =
        [small(150, 2), small(15, 1), small(1_500_000_000, 9), Decimal::from_f64(1.5).unwrap(), of("15e-1")];
    for number in &half {
        assert_eq!(number, &half[0]);
        let Decimal::Small { mantissa: 15, scale: 1 } = number.clone().normalised() else {
            panic!("{number:?}")
        };
    }
    assert_eq!(Decimal::from_f64(-0.0), Some(Decimal::ZERO));
    let wide =
        Decimal::from_i256(i256::from_string("100000000000000000000000000000000000000000").unwrap(), 40);
    assert_eq!(wide, small(10, 0));
    assert_eq!(of("1e40").wide().unwrap(), (i256::from_string(&format!("1{}", "0".repeat(40))).unwrap(), 0));
}

#[test]
fn floats_take_their_shortest_form() {
    for (value, expected) in [
        (0.1, "0.1"),
        (187.23, "187.23"),
        (1e21, "1000000000000000000000"),
        (123_456_789.123_456_78, "123456789.12345678"),
        (1e-7, "0.0000001"),
        (0.30000000000000004, "0.30000000000000004"),
        (-1.5e-9, "-0.0000000015"),
        (-2.5e-10, "-0.00000000025"),
        (9_007_199_254_740_993.0, "9007199254740992"),
        (-5e-324, "-5e-324"),
    ] {
        assert_eq!(shown(&Decimal::from_f64(value).unwrap()), expected);
    }
    assert_eq!(shown(&Decimal::from_f32(0.1).unwrap()), "0.1");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Decimal::from_f64(value), None);
        assert_eq!(Decimal::from_f32(value as f32), None);
    }
}

#[test]
fn doubles_that_are_short_are_told() {
    assert_eq!(short_decimal(26.65), Some((false, 266_500, 4)));
    assert_eq!(short_decimal(-0.00000001), Some((true, 1, 8)));
    for value in [0.1 + 0.2, 1e12, f64::NAN, f64::INFINITY] {
        assert_eq!(short_decimal(value), None);
    }
}

#[test]
fn rounding_is_half_away_from_zero() {
    for (text, decimals, rounded) in [
        ("5.001234", 2, "5"),
        ("2.345", 2, "2.35"),
        ("-2.345", 2, "-2.35"),
        ("0.5", 0, "1"),
        ("7", 2, "7"),
        ("0.04", 1, "0"),
        ("99.996", 2, "100"),
        ("1250", -2, "1300"),
    ] {
        assert_eq!(shown(&of(text).rounded(decimals)), rounded);
        if text.contains('.') {
            let long = of(&format!("{text}0000000000000000000000000000000000000000000001"));
            assert!(matches!(long, Decimal::Long(_)) || text.starts_with("0.0"), "{long:?}");
            assert_eq!(shown(&long.rounded(decimals)), rounded, "{text}, long");
        }
    }
}

#[test]
fn comparison_is_exact_across_scales() {
    let ascending = [
        "-1e100",
        "-1e70",
        "-1234567890123456789012345678901234567890.6",
        "-1234567890123456789012345678901234567890.5",
        "-1",
        "-1e-90",
        "0",
        "1e-90",
        "1e-70",
        "0.1",
        "0.10000000000000000001",
        "1.5",
        "1234567890123456789012345678901234567890.5",
        "1234567890123456789012345678901234567891",
        "1e70",
        "1e100",
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            assert_eq!(of(a).cmp(&of(b)), i.cmp(&j), "{a} {b}");
        }
    }
}

#[test]
fn numbers_fit_as_the_server_says() {
    for (number, precision, scale, fit) in [
        (small(99_999, 3), 5, 3, Fit::Exact),
        (small(99_9990, 4), 5, 3, Fit::Exact),
        (small(99_9995, 4), 5, 3, Fit::Overflow),
        (small(99_9994, 4), 5, 3, Fit::Rounded),
        (small(1_000_000_000_000, 0), 20, 8, Fit::Overflow),
        (small(999_999_999_999, 0), 20, 8, Fit::Exact),
        (small(4, 1), 1, 0, Fit::Rounded),
        (small(12_345, 0), 3, -2, Fit::Rounded),
        (small(99_950, 0), 3, -2, Fit::Overflow),
        (small(1, 60), 5, 2, Fit::Rounded),
        (small(5, 3), 2, 4, Fit::Exact),
        (small(1, 2), 2, 4, Fit::Overflow),
        (small(0, 9), 2, 4, Fit::Exact),
        (of("1e300"), 20, 8, Fit::Overflow),
    ] {
        assert_eq!(number.fit(precision, scale), fit, "{number:?} ({precision},{scale})");
    }
}

#[test]
fn integers_are_exact_or_refused() {
    assert_eq!(small(50, 1).integer(false), Ok((5, false)));
    assert_eq!(of("25643711.0").integer(false), Ok((25_643_711, false)));
    assert_eq!(small(55, 1).integer(false), Err(NoInteger::Fraction));
    assert_eq!(small(-55, 1).integer(true), Ok((-6, true)));
    assert_eq!(small(i64::MIN.into(), 0).integer(false), Ok((i64::MIN, false)));
    assert_eq!(small(u64::MAX.into(), 0).integer(false), Err(NoInteger::Range));
    assert_eq!(of("1e300").integer(true), Err(NoInteger::Range));
    assert_eq!(of("1e18").integer(false), Ok((1_000_000_000_000_000_000, false)));
    assert_eq!(small(-12, -3).integer(false), Ok((-12_000, false)));
}

#[test]
fn wide_decimals_are_exact_too() {
    let wide = |digits: &str, scale| Decimal::from_i256(i256::from_string(digits).unwrap(), scale);
    let number = wide("-123456789012345678901234567890123456789012345678901234567890", 18);
    assert!(matches!(number, Decimal::Long(_)));
    assert_eq!(shown(&number), "-123456789012345678901234567890123456789012.34567890123456789");
    assert_eq!(number.fit(60, 18), Fit::Exact);
    assert_eq!(number.fit(60, 17), Fit::Exact);
    assert_eq!(number.fit(60, 16), Fit::Rounded);
    assert_eq!(number.fit(50, 16), Fit::Overflow);
    assert_eq!(number.double(), -123456789012345678901234567890123456789012.34567890123456789);
    assert_eq!(number.integer(true), Err(NoInteger::Range));
    let nines = wide(&"9".repeat(50), 40);
    assert_eq!(nines.fit(20, 10), Fit::Overflow);
    assert_eq!(nines.fit(21, 10), Fit::Rounded);
    assert_eq!(nines.integer(true), Ok((10_000_000_000, true)));
    assert_eq!(nines.integer(false), Err(NoInteger::Fraction));
    let longer = of(&format!("{}e-80", "9".repeat(90)));
    assert_eq!(longer.integer(true), Ok((10_000_000_000, true)));
    assert_eq!((longer.fit(20, 10), longer.fit(21, 10)), (Fit::Overflow, Fit::Rounded));
}

proptest! {
    #[test]
    fn every_form_reads_back(value in any::<i128>(), scale in 0i32..100) {
        let number = small(value, scale);
        let mut plain = String::new();
        number.write_plain(&mut plain);
        prop_assert_eq!(&of(&plain), &number);
        prop_assert_eq!(&of(&shown(&number)), &number);
        let text = value.to_string();
        prop_assert_eq!(&of(&format!("{text}e-{scale}")), &number);
        if let Ok(scale) = i8::try_from(scale) {
            prop_assert_eq!(Decimal::from_i256(i256::from_i128(value), scale), number);
        }
    }

    #[test]
    fn digits_of_any_number_stay(digits in "[1-9][0-9]{0,120}", behind in 0usize..120, exponent in -60i32..60) {
        let at = digits.len().saturating_sub(behind);
        let text = format!("-{}.{}e{exponent}", &digits[..at], &digits[at..]);
        let number = of(&text);
        let same = of(&format!("-{digits}e{}", exponent - (digits.len() - at) as i32));
        prop_assert_eq!(&number, &same);
        prop_assert_eq!(of(&shown(&number)), same);
        let near: f64 = text.parse().unwrap();
        prop_assert_eq!(number.double(), near);
        if let Some((value, scale)) = number.wide() {
            prop_assert_eq!(&Decimal::from_i256(value, scale as i8), &number);
        }
    }

    #[test]
    fn order_is_that_of_numbers(a in any::<i64>(), b in any::<i64>(), s in 0i32..60, t in 0i32..60) {
        let scaled = |value: i64, scale: i32| {
            (0..scale).fold(i256::from_i128(value.into()), |v, _| v.wrapping_mul(i256::from_i128(10)))
        };
        let (x, y) = (small(a.into(), s), small(b.into(), t));
        let expected = if s < t { scaled(a, t - s).cmp(&widened(b)) } else { widened(a).cmp(&scaled(b, s - t)) };
        let bounded = (s - t).abs() < 55;
        prop_assert!(!bounded || x.cmp(&y) == expected);
    }

    #[test]
    fn floats_survive(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
        let number = Decimal::from_f64(value).unwrap();
        prop_assert_eq!(number.double(), value);
    }

    #[test]
    fn single_floats_survive(value in any::<f32>().prop_filter("finite", |v| v.is_finite())) {
        prop_assert_eq!(Decimal::from_f32(value).unwrap().single(), value);
    }

    #[test]
    fn prices_take_the_short_way_to_the_same_form(cents in -1_000_000_000_000i64..1_000_000_000_000, scale in 0i32..6) {
        let value: f64 = format!("{cents}e-{scale}").parse().unwrap();
        prop_assert_eq!(Decimal::from_f64(value).unwrap(), small(cents.into(), scale));
    }
}

fn widened(value: i64) -> i256 {
    i256::from_i128(value.into())
}

#[test]
fn products_keep_every_digit() {
    let of = |a: &str, b: &str| {
        let read = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
        let product = read(a).times(&read(b));
        assert_eq!(product, read(b).times(&read(a)), "{a} {b}");
        product.map(|product| {
            let mut text = String::new();
            product.write(&mut text);
            text
        })
    };
    for (a, b, product) in [
        ("12345", "0.0001", "1.2345"),
        ("-9223372036854775807", "1e-9", "-9223372036.854775807"),
        ("0", "1e-9", "0"),
        ("0.10", "10", "1"),
        (
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
            "9999999999999999999999999999999999999800000000000000000000000000000000000001",
        ),
        ("1e300", "-3", "-3e300"),
        (
            "123456789012345678901234567890123456789012345",
            "0.001",
            "123456789012345678901234567890123456789012.345",
        ),
    ] {
        assert_eq!(of(a, b).as_deref(), Ok(product), "{a} {b}");
    }
    for (a, b) in [("1e-16383", "0.1"), ("1e131071", "10"), ("7e131000", "1e100")] {
        assert_eq!(of(a, b), Err(NumberError::TooLong), "{a} {b}");
    }
    assert_eq!(of("10e-16383", "0.1").as_deref(), Ok("1e-16383"));
}
