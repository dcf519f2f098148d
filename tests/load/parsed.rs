//! Numbers and times as PostgreSQL itself reads the same texts: thousands of them, made up by the forms that there
//! are. Where the two differ, the difference is one of those that were decided.
//!
//! `MDSCTL_TEST_SEED` tries other ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::harness::{Db, Postgres, Work};

/// The seed: the same in every run, unless `MDSCTL_TEST_SEED` names another.
fn seed() -> u64 {
    let seed = std::env::var("MDSCTL_TEST_SEED").map_or(17, |seed| seed.parse().expect("a number"));
    println!("MDSCTL_TEST_SEED={seed}");
    seed
}

/// Numbers by chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("small")
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn digits(&mut self, most: usize) -> String {
        (0..self.below(most + 1)).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }
}

/// A difference that was decided: what it is called, which texts it is of, and why it is right.
#[derive(Clone, Copy)]
struct Decided {
    texts: fn(&str) -> bool,
    why: &'static str,
}

/// What became of a text here and there; `None` where it was refused, or stored as null.
type Both = (Option<String>, Option<String>);

/// Loads texts into a column of that type, and has the server read them as well. Each text of which the two make
/// another value, by `same`, has to be of a difference that was decided, and each of those has to occur.
fn compare(kind: &str, texts: &[String], zone: &str, decided: &[Decided], same: fn(&Both) -> bool) {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(&format!(
        "CREATE TABLE read (id int PRIMARY KEY, v {kind});
         CREATE TABLE given (id int PRIMARY KEY, raw text);
         CREATE FUNCTION cast_of(raw text) RETURNS {kind} LANGUAGE plpgsql AS
         $$ BEGIN RETURN raw::{kind}; EXCEPTION WHEN others THEN RETURN NULL; END $$"
    ));
    let mut csv = String::from("id,v\n");
    for (id, text) in texts.iter().enumerate() {
        let _ = writeln!(csv, "{id},\"{}\"", text.replace('"', "\"\""));
    }
    let path = work.write("texts.csv", csv);
    let flags = ["load", &path, "--table", "read", "--timezone", zone, "--json"];
    let run = work.mdsctl(flags).arguments(["--dsn", &db.dsn()]).run();
    assert!([0, 3].contains(&run.code), "{run}");
    assert_eq!(run.books().read, texts.len() as u64, "{run}");
    for (place, part) in texts.chunks(500).enumerate() {
        let rows = part
            .iter()
            .enumerate()
            .map(|(id, text)| format!("({}, '{}')", place * 500 + id, text.replace('\'', "''")));
        db.execute(&format!("INSERT INTO given VALUES {}", rows.collect::<Vec<_>>().join(", ")));
    }
    let mut used = vec![0; decided.len()];
    let mut open: BTreeMap<&str, Both> = BTreeMap::new();
    let (mut values, mut found) = (0, found(&db, kind, zone));
    for (text, both) in texts.iter().zip(found.drain(..)) {
        values += usize::from(both.0.is_some() && both.0 == both.1);
        if same(&both) {
            continue;
        }
        match decided.iter().position(|one| (one.texts)(text)) {
            Some(place) => used[place] += 1,
            None => drop(open.insert(text, both)),
        }
    }
    println!("{kind} in {zone}: {} texts, of which {values} are the same value in both", texts.len());
    for (one, used) in decided.iter().zip(&used) {
        println!("  {used}: {}", one.why);
    }
    let few: Vec<String> = open
        .iter()
        .take(40)
        .map(|(text, (ours, theirs))| format!("{text:?}: here {ours:?}, there {theirs:?}"))
        .collect();
    assert!(open.is_empty(), "{} of {} differ:\n{}", open.len(), texts.len(), few.join("\n"));
    for (one, used) in decided.iter().zip(&used) {
        assert!(*used > 0, "nothing differs so any more: {}", one.why);
    }
    assert!(values * 4 > texts.len(), "too few of the texts have a value: {values} of {}", texts.len());
}

/// What was stored and what the server makes of the text, in the order of the texts.
fn found(db: &Db, kind: &str, zone: &str) -> Vec<Both> {
    let written = |value: &str| match kind {
        "timestamptz" => format!("extract(epoch FROM {value})::text"),
        "numeric" => format!("trim_scale({value})::text"),
        _ => format!("{value}::text"),
    };
    let query = format!(
        "SELECT {}, {} FROM given LEFT JOIN read USING (id) ORDER BY id",
        written("v"),
        written("cast_of(raw)")
    );
    let session = db.session().expect("a session");
    session.execute(&format!("SET TimeZone = '{zone}'"));
    let rows = session.try_rows(&query).expect("rows");
    rows.into_iter().map(|mut row| (row.remove(0), row.remove(0))).collect()
}

/// The forms that numbers are written in, and some that are none.
fn numbers(chance: &mut Chance, count: usize) -> Vec<String> {
    let edges = [
        "0",
        "-0",
        "+0",
        "00",
        "0.0",
        ".0",
        "0.",
        ".",
        "",
        "-",
        "+",
        "e5",
        "1e",
        "1e+",
        "1e-",
        "--1",
        "+-1",
        "1.2.3",
        "1e5.5",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "-1e309",
        "1e400",
        "4.9406564584124654e-324",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.4e-324",
        "1e-324",
        "1e-400",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "1e-310",
        "9007199254740993",
        "9007199254740992.9",
        "0.1",
        "0.30000000000000004",
        "1e22",
        "1e23",
        "8.5e22",
        "123456789012345678901234567890",
        "1e131071",
        "1e131072",
        "9e131071",
        "1e-16383",
        "1e-16384",
        "1e-16380",
        "0e99999",
        "0e-99999",
        "1e2147483647",
        "1e2147483648",
        "1e-2147483649",
        "1e99999999999999999999",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "-inf",
        "+inf",
        "infinity",
        "null",
        "NULL",
        "None",
        "\\N",
        "-1e-7",
        "1E5",
        "1e05",
        "1e+05",
        "1e-05",
        "  7",
        "7  ",
        "\t7",
        "0x10",
        "1_000",
        "１",
        "٣",
        "1 000",
        "1'000",
        "5%",
        "$5",
        "(5)",
        "5-",
        "1d",
        "1f",
        "1.5e3e2",
        "true",
    ];
    let mut all: Vec<String> = edges.iter().map(|text| (*text).to_owned()).collect();
    while all.len() < count {
        let mut text = String::from(chance.of(&["", "", "", "-", "+"]));
        text += chance.of(&["", "", "", "0", "000"]);
        let most = [3, 17, 40, 120][chance.below(4)];
        text += &chance.digits(most);
        if chance.below(3) > 0 {
            text.push('.');
            text += chance.of(&["", "", "0", "0000000"]);
            text += &chance.digits(most);
            text += chance.of(&["", "", "0", "000"]);
        }
        if chance.below(3) == 0 {
            text += chance.of(&["e", "E"]);
            text += chance.of(&["", "-", "+", "-0"]);
            let exponents = ["1", "5", "22", "37", "130", "300", "310", "323", "9999"];
            text += chance.of(&exponents);
        }
        all.push(text);
    }
    all
}

/// A number with a sign of what it is, or blanks and quotes between thousands.
fn is_marked(text: &str) -> bool {
    text.contains(['$', '%', '\'', ' '])
}

const WORDS: Decided = Decided {
    texts: is_word,
    why: "NaN and the infinities are no value here: with vendors they stand for one that is missing",
};
const MARKED: Decided = Decided {
    texts: is_marked,
    why: "currencies, percent signs and the separators of thousands are read, and told",
};

/// Words that stand for no value in every column of numbers.
fn is_word(text: &str) -> bool {
    let word = text.trim().trim_start_matches(['-', '+']).to_ascii_lowercase();
    ["nan", "infinity", "inf", "null", "none", "\\n", "", "-"].contains(&&*word)
}

#[test]
fn doubles_are_those_that_the_server_reads() {
    let mut chance = Chance(seed());
    let texts = numbers(&mut chance, 6_000);
    let hex = Decided {
        texts: |text| text.starts_with("0x"),
        why: "hexadecimal numbers are no form of a vendor's",
    };
    let decided = [WORDS, MARKED, hex];
    compare("float8", &texts, "UTC", &decided, |(ours, theirs)| ours == theirs);
}

#[test]
fn numerics_are_those_that_the_server_reads() {
    let mut chance = Chance(seed());
    let texts = numbers(&mut chance, 6_000);
    let zero = Decided {
        texts: |text| text.starts_with("0e"),
        why: "zero is zero whatever its exponent, which the server refuses from some size on",
    };
    let decided = [WORDS, MARKED, zero];
    compare("numeric", &texts, "UTC", &decided, |(ours, theirs)| ours == theirs);
}

/// Hours in which clocks are changed somewhere.
const CHANGES: &[&str] = &[
    "2024-03-10 02",
    "2024-11-03 01",
    "2024-03-31 01",
    "2024-10-27 01",
    "2024-04-07 01",
    "2024-10-06 02",
    "1987-04-05 02",
    "1967-10-29 01",
    "2011-12-30 12",
    "1883-11-18 12",
    "2037-11-01 01",
    "2050-03-13 02",
];

/// The forms of ISO 8601, of which PostgreSQL knows most.
fn times(chance: &mut Chance, count: usize, far: bool) -> Vec<String> {
    let edges = [
        "0001-01-01",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59.999999",
        "9999-12-31 23:59:60",
        "2016-12-31 23:59:60Z",
        "2016-12-31T23:59:60.5Z",
        "2024-01-02 24:00:00",
        "2024-01-02 24:00:01",
        "2024-02-29",
        "2023-02-29",
        "1900-02-29",
        "2000-02-29",
        "2024-13-01",
        "2024-00-10",
        "2024-01-00",
        "2024-01-32",
        "2024-01-02 25:00",
        "2024-01-02 12:60",
        "2024-01-02 12:30:61",
        "2024-01-02T12:30Z",
        "2024-01-02T12:30:15,5Z",
        "20240102",
        "20240102T123015",
        "20240102 123015",
        "2024-002",
        "2024-1-2",
        "2024-01-02 1:02:03",
        "2024/01/02 10:00",
        "2024.01.02 10:00",
        "infinity",
        "-infinity",
        "epoch",
        "now",
        "1970-01-01T00:00:00Z",
        "1969-12-31 23:59:59.9999999Z",
        "2024-01-02 10:00:00.0000005Z",
        "2024-01-02 10:00:00.0000015Z",
        "2024-01-02 10:00:00.0000025Z",
        "2024-01-02 10:00:00.9999995Z",
        "2024-01-02 10:00:00.12345678901234567890Z",
        "2024-01-02 10:00:00+14",
        "2024-01-02 10:00:00-12",
        "2024-01-02 10:00:00+15:59",
        "2024-01-02 10:00:00+16",
        "2024-01-02 10:00:00+05:30:15",
        "2024-01-02 10:00:00 +05:30",
        "2024-01-02 10:00:00 America/New_York",
        "2024-01-02 10:00:00 Europe/London",
        "2024-07-02 10:00:00 Europe/London",
        "2024-01-02 10:00:00 EST",
        "2024-01-02 10:00:00 UTC",
        "2024-01-02 10:00:00z",
        "2024-01-02t10:00:00z",
        " 2024-01-02 10:00:00Z ",
        "2024-01-02  10:00:00Z",
        "2024-01-02 10:00:00.Z",
        "2024-01-02 10:00:00 AM",
        "2024-01-02 10:00:00 PM",
        "2024-01-02 12:00:00 AM",
        "24-01-02",
        "12024-01-02",
        "2024-01-02 10",
        "2024-01-02T",
        "2024-01-02 BC",
        "0000-01-01",
        "-0044-03-15",
    ];
    // Times that nanoseconds do not hold travel in microseconds, and their column with them.
    let beyond = ["0001", "9999", "infinity", "-infinity", "-0044", "0000", "12024"];
    let is_far = |text: &&&str| beyond.iter().any(|begin| text.starts_with(begin)) == far;
    let mut all: Vec<String> = edges.iter().filter(is_far).map(|text| (*text).to_owned()).collect();
    while all.len() < count {
        let year = match chance.below(4) {
            0 if far => 1 + chance.below(1_676),
            _ if far => 2_263 + chance.below(9_999 - 2_263),
            0 => 1_680 + chance.below(420),
            1 => 1880 + chance.below(90),
            _ => 1970 + chance.below(70),
        };
        let days = if chance.below(9) == 0 { 31 } else { 28 };
        let day = format!("{year:04}-{:02}-{:02}", 1 + chance.below(12), 1 + chance.below(days));
        let mut text = match chance.below(12) {
            0 => {
                all.push(day);
                continue;
            }
            1 if !far => chance.of(CHANGES).to_owned(),
            _ => format!("{day}{}{:02}", chance.of(&[" ", "T"]), 4 + chance.below(20)),
        };
        let _ = write!(text, ":{:02}", chance.below(60));
        if chance.below(8) > 0 {
            let _ = write!(text, ":{:02}", chance.below(60));
            if chance.below(2) == 0 {
                let digits = chance.digits(if far { 6 } else { 12 });
                if !digits.is_empty() {
                    let _ = write!(text, ".{digits}");
                }
            }
        }
        text += &match chance.below(8) {
            0 => "Z".to_owned(),
            1 => format!("{}{:02}", chance.of(&["+", "-"]), chance.below(15)),
            2 => format!("{}{:02}:{:02}", chance.of(&["+", "-"]), chance.below(15), chance.below(60)),
            3 => format!("{}{:02}{:02}", chance.of(&["+", "-"]), chance.below(15), chance.below(60)),
            4 => format!(
                "{}{:02}:{:02}:{:02}",
                chance.of(&["+", "-"]),
                chance.below(15),
                chance.below(60),
                chance.below(60)
            ),
            _ => String::new(),
        };
        all.push(text);
    }
    all
}

/// Whether a text has more digits of a second than nanoseconds are.
fn is_finer(text: &str) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.bytes().take_while(u8::is_ascii_digit).count() > 9
}

const FINER: Decided =
    Decided { texts: is_finer, why: "more than nine digits of a second are refused, and not cut off" };

/// Hours in which some zone changes its clocks, as in [`times`].
fn is_change(text: &str) -> bool {
    CHANGES.iter().any(|hour| text.starts_with(hour))
}

#[test]
fn times_are_those_that_the_server_reads() {
    let mut chance = Chance(seed());
    let words = Decided {
        texts: |text| ["2024-002", "2024-01-02 10:00:00.Z", "2024-01-02 BC", "epoch", "now"].contains(&text),
        why: "days of the year, words, and a point without digits are no forms of vendors, and refused",
    };
    let iso = Decided {
        texts: |text| ["2024-01-02T", "2024-01-02T12:30:15,5Z"].contains(&text),
        why: "the decimal comma of ISO 8601 is read, and a T with nothing behind it",
    };
    let changes = Decided {
        texts: is_change,
        why: "what the change of clocks skips is refused, where the server moves it by an hour; what it repeats is told by \
              the order of the rows or refused, where the server takes one of both",
    };
    for (zone, changing) in [
        ("UTC", false),
        ("America/New_York", true),
        ("Europe/Dublin", true),
        ("Australia/Lord_Howe", true),
        ("Asia/Kathmandu", false),
        ("Pacific/Apia", true),
    ] {
        let texts = times(&mut chance, 2_500, false);
        let mut decided = vec![FINER, words, iso];
        decided.extend(changing.then_some(changes));
        compare("timestamptz", &texts, zone, &decided, |(ours, theirs)| ours == theirs);
    }
}

#[test]
fn times_beyond_nanoseconds_are_those_that_the_server_reads() {
    let mut chance = Chance(seed());
    let years = Decided {
        texts: |text| text.starts_with("0000-") || text.starts_with("-0044"),
        why: "the year 0 and those before it are those of ISO 8601, which the server writes as BC",
    };
    let summers = Decided {
        texts: |text| text.get(..4).is_some_and(|year| year > "2262"),
        why: "the summer time of a zone is known up to the year 2100, the server goes on by the last rule",
    };
    for (zone, decided) in
        [("UTC", &[years][..]), ("America/New_York", &[years, summers]), ("Asia/Kathmandu", &[years])]
    {
        let texts = times(&mut chance, 1_000, true);
        compare("timestamptz", &texts, zone, decided, |(ours, theirs)| ours == theirs);
    }
}
