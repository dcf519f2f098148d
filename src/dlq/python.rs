//! Rows that the Python system wrote as texts: `json.dumps(…, default=str)` writes of a model what `str` says
//! of it, `symbol='A' ts=datetime.datetime(2024, 1, 2, 0, 0, tzinfo=TzInfo(UTC)) close_price=Decimal('1.5')`.
//!
//! Read are the fields of a model one after the other, a call with its keywords (dataclasses, named tuples,
//! `repr` of a model), a dictionary, and lists of any of them. Values are what Python's `repr` writes; a value
//! that says nothing by itself (`<Feed object at 0x7f…>`, `Side.BUY`) stays as the text that it is, so that a
//! field which nobody needs costs no row. Numbers keep every digit, times are written in RFC 3339 with the
//! offset of their zone.

mod moment;

use moment::Zone;
use std::fmt::Write as _;

/// Values within values at most.
const MOST_DEPTH: usize = 64;

/// The rows that a text stands for, each as a JSON object; `None` where it has none, or they are over `deepest` texts deep.
pub(super) fn rows(text: &str, deepest: usize) -> Option<Vec<String>> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.blank();
    let value = match parser.fields() {
        Some(fields) => fields,
        None => {
            parser.at = 0;
            parser.blank();
            let value = parser.value()?;
            parser.blank();
            (parser.at == text.len()).then_some(value)?
        }
    };
    let mut rows = Vec::new();
    take(value, &mut rows, deepest)?;
    (!rows.is_empty()).then_some(rows)
}

/// Takes an object, or the objects of a list.
fn take(value: Value, rows: &mut Vec<String>, deepest: usize) -> Option<()> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut out = String::new();
            Value::Object(fields).write(&mut out);
            rows.push(out);
            Some(())
        }
        Value::List(items) => items.into_iter().try_for_each(|item| take(item, rows, deepest)),
        // A list may hold such texts in turn. The text may be the one that it was read from: `inf`.
        Value::Text(text) => {
            rows.extend(super::letter::rows_within(&text, deepest.checked_sub(1)?)?);
            Some(())
        }
        _ => None,
    }
}

/// What a value came to.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// JSON as it is: a number, a truth value, null.
    Json(String),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// A zone of times.
    Zone(Zone),
    /// A span of time in microseconds.
    Span(i64),
    /// Something that says nothing by itself: its own text.
    Other(String),
}

impl Value {
    fn write(&self, out: &mut String) {
        match self {
            Self::Json(text) => out.push_str(text),
            Self::Text(text) | Self::Other(text) => quoted(text, out),
            Self::Zone(zone) => quoted(zone.name(), out),
            // Writing into a text cannot fail.
            Self::Span(micros) => {
                let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
                let _ = write!(out, "\"{days} days {}.{:06} seconds\"", rest / 1_000_000, rest % 1_000_000);
            }
            Self::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (place, (name, value)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    quoted(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Self::Json(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn none() -> Self {
        Self::Json("null".to_owned())
    }
}

fn quoted(text: &str, out: &mut String) {
    // A text is written as JSON without fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
}

/// What a call is given.
#[derive(Debug, Default)]
struct Arguments {
    plain: Vec<Value>,
    named: Vec<(String, Value)>,
}

impl Arguments {
    /// The one of that name, or at that place.
    fn get(&self, place: usize, name: &str) -> Option<&Value> {
        self.named.iter().find(|(n, _)| n == name).map(|(_, value)| value).or_else(|| self.plain.get(place))
    }

    /// The only one.
    fn only(&mut self) -> Option<Value> {
        match (self.plain.len(), self.named.is_empty()) {
            (1, true) => self.plain.pop(),
            _ => None,
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Passes that text where it stands next.
    fn eat(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len() } else { 0 };
        there
    }

    /// A name, with its dots.
    fn name(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        if !(first.is_alphabetic() || first == '_') {
            return None;
        }
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end)
    }

    /// `a=1 b='x'` up to the end, as `str` writes a model.
    fn fields(&mut self) -> Option<Value> {
        let mut fields = Vec::new();
        loop {
            self.blank();
            if self.rest().is_empty() {
                return (!fields.is_empty()).then_some(Value::Object(fields));
            }
            let name = self.name().filter(|name| !name.contains('.'))?;
            if !self.eat("=") {
                return None;
            }
            let value = self.value()?;
            fields.push((name.to_owned(), value));
            if !self.eat(",") && !self.rest().is_empty() && !self.rest().starts_with(char::is_whitespace) {
                return None;
            }
        }
    }

    fn value(&mut self) -> Option<Value> {
        if self.depth >= MOST_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = self.value_within();
        self.depth -= 1;
        value
    }

    fn value_within(&mut self) -> Option<Value> {
        match self.peek()? {
            '\'' | '"' => self.string(false).map(Value::Text),
            '[' => self.list("[", "]").map(Value::List),
            '(' => self.list("(", ")").map(Value::List),
            '{' => self.dictionary(),
            '<' => self.angle(),
            '-' | '+' | '.' | '0'..='9' => self.number(),
            _ => self.named(),
        }
    }

    /// Values between brackets.
    fn list(&mut self, open: &str, close: &str) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        if !self.eat(open) {
            return None;
        }
        loop {
            self.blank();
            if self.eat(close) {
                return Some(items);
            }
            items.push(self.value()?);
            self.blank();
            if !self.eat(",") && !self.rest().starts_with(close) {
                return None;
            }
        }
    }

    /// `{'a': 1}`, or `{1, 2}`.
    fn dictionary(&mut self) -> Option<Value> {
        self.eat("{");
        let (mut fields, mut items) = (Vec::new(), Vec::new());
        loop {
            self.blank();
            if self.eat("}") {
                break;
            }
            let key = self.value()?;
            self.blank();
            if self.eat(":") {
                self.blank();
                let value = self.value()?;
                let name = match key {
                    Value::Text(text) | Value::Json(text) | Value::Other(text) => text,
                    _ => return None,
                };
                fields.push((name, value));
            } else {
                items.push(key);
            }
            self.blank();
            if !self.eat(",") && !self.rest().starts_with('}') {
                return None;
            }
        }
        match (fields.is_empty(), items.is_empty()) {
            (_, true) => Some(Value::Object(fields)),
            (true, false) => Some(Value::List(items)),
            _ => None,
        }
    }

    /// `<Side.BUY: 'buy'>` is its value; `<UTC>` and its like are zones; another one is what it is.
    fn angle(&mut self) -> Option<Value> {
        let start = self.at;
        self.at += 1;
        if self.name().is_some() && self.eat(":") {
            self.blank();
            if let Some(value) = self.value()
                && self.eat(">")
            {
                return Some(value);
            }
        }
        self.at = start;
        let (mut depth, mut quote) = (0usize, None);
        for (place, c) in self.rest().char_indices() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '<') => depth += 1,
                (None, '>') => depth -= 1,
                _ => {}
            }
            if depth == 0 && quote.is_none() {
                let whole = self.rest().get(..=place)?;
                self.at += place + 1;
                let zone = whole.get(1..place).and_then(Zone::of_angle);
                return Some(zone.map_or_else(|| Value::Other(whole.to_owned()), Value::Zone));
            }
        }
        None
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|(place, c)| {
                let signed = matches!(c, '-' | '+')
                    && (*place == 0 || rest.get(..*place).is_some_and(|before| before.ends_with(['e', 'E'])));
                !(signed || c.is_ascii_alphanumeric() || *c == '.')
            })
            .map_or(rest.len(), |(place, _)| place);
        let word = rest.get(..end)?;
        self.at += end;
        if matches!(word.trim_start_matches(['-', '+']), "inf" | "nan") {
            return Some(Value::Text(word.to_owned()));
        }
        is_number(word).then(|| Value::Json(word.to_owned()))
    }

    /// A string with its quotes; of bytes, each character is one of them.
    fn string(&mut self, bytes: bool) -> Option<String> {
        let quote = self.peek()?;
        self.at += quote.len_utf8();
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let stop = rest.find([quote, '\\'])?;
            out.push_str(rest.get(..stop)?);
            self.at += stop + 1;
            if rest.get(stop..)?.starts_with(quote) {
                return Some(out);
            }
            let escape = self.peek()?;
            self.at += escape.len_utf8();
            let plain = match escape {
                '\n' => continue,
                '\\' | '\'' | '"' => escape,
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                'x' => self.code(2)?,
                'u' if !bytes => self.code(4)?,
                'U' if !bytes => self.code(8)?,
                '0'..='7' => {
                    self.at -= 1;
                    let octal = self.rest().bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                    let code = u32::from_str_radix(self.rest().get(..octal)?, 8).ok()?;
                    self.at += octal;
                    char::from_u32(code)?
                }
                other => {
                    out.push('\\');
                    other
                }
            };
            out.push(plain);
        }
    }

    /// The character of so many hexadecimal digits; half of a pair is none.
    fn code(&mut self, digits: usize) -> Option<char> {
        let code = self.rest().get(..digits)?;
        self.at += digits;
        char::from_u32(u32::from_str_radix(code, 16).ok()?)
    }

    /// What begins with a name: a word of the language, a string with a prefix, a call.
    fn named(&mut self) -> Option<Value> {
        let name = self.name()?;
        if self.rest().starts_with(['\'', '"']) {
            return match name.to_ascii_lowercase().as_str() {
                "b" | "br" | "rb" => {
                    let text = self.string(true)?;
                    // As PostgreSQL writes bytes.
                    let hex = text.chars().try_fold(String::from("\\x"), |mut hex, c| {
                        let _ = write!(hex, "{:02x}", u8::try_from(u32::from(c)).ok()?);
                        Some(hex)
                    });
                    hex.map(Value::Text)
                }
                "u" => self.string(false).map(Value::Text),
                _ => None,
            };
        }
        if self.rest().starts_with('(') {
            let start = self.at - name.len();
            // `TzInfo(UTC)` and `TzInfo(+05:30)` have no Python between their brackets.
            let inner = self.rest().get(1..).and_then(|rest| Some(rest.split_once(')')?.0));
            if let Some(zone) = inner.and_then(|inner| Zone::of_call(name, inner)) {
                self.at += inner.map_or(0, str::len) + 2;
                return Some(Value::Zone(zone));
            }
            let arguments = self.arguments()?;
            return call(name, arguments, || self.text.get(start..self.at).unwrap_or_default().to_owned());
        }
        Some(match name {
            "None" | "NoneType" | "NaT" | "NA" => Value::none(),
            "True" => Value::Json("true".to_owned()),
            "False" => Value::Json("false".to_owned()),
            "inf" | "nan" | "NaN" | "Infinity" => Value::Text(name.to_owned()),
            "null" => Value::none(),
            "true" | "false" => Value::Json(name.to_owned()),
            _ => match last(name) {
                "utc" | "UTC" => Value::Zone(Zone::utc()),
                "nan" | "inf" => Value::Text(last(name).to_owned()),
                _ => Value::Other(name.to_owned()),
            },
        })
    }

    /// `(1, b=2)`.
    fn arguments(&mut self) -> Option<Arguments> {
        let mut arguments = Arguments::default();
        self.eat("(");
        loop {
            self.blank();
            if self.eat(")") {
                return Some(arguments);
            }
            let before = self.at;
            match self.name() {
                Some(name) if !name.contains('.') && self.eat("=") => {
                    self.blank();
                    let value = self.value()?;
                    arguments.named.push((name.to_owned(), value));
                }
                _ => {
                    self.at = before;
                    arguments.plain.push(self.value()?);
                }
            }
            self.blank();
            if !self.eat(",") && !self.rest().starts_with(')') {
                return None;
            }
        }
    }
}

/// The last part of a dotted name.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether that is a number in JSON too.
fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<&serde_json::value::RawValue>(word).is_ok()
}

/// What a call stands for; `whole` is its text.
fn call(name: &str, mut given: Arguments, whole: impl Fn() -> String) -> Option<Value> {
    match last(name) {
        "Decimal" => {
            let text = given.only()?.text()?.to_owned();
            return Some(if is_number(&text) { Value::Json(text) } else { Value::Text(text) });
        }
        "datetime" => return moment::datetime(&given).map(Value::Text),
        "date" => return moment::date(&given).map(Value::Text),
        "time" => return moment::time(&given).map(Value::Text),
        "timedelta" => return moment::span(&given).map(Value::Span),
        // Of pandas: its text has the offset.
        "Timestamp" if given.plain.len() == 1 => return given.plain.pop(),
        "ZoneInfo" | "timezone" | "tzutc" | "tzoffset" | "tzfile" | "FixedOffset" | "FixedOffsetTimezone" => {
            return moment::zone(last(name), &given).map(Value::Zone);
        }
        _ => {}
    }
    if given.plain.is_empty() {
        return Some(Value::Object(given.named));
    }
    // `UUID('…')`, `np.float64(1.5)`, `PosixPath('…')`, `frozenset({…})`.
    Some(given.only().unwrap_or_else(|| Value::Other(whole())))
}

#[cfg(test)]
mod tests {
    fn rows(text: &str) -> Option<Vec<String>> {
        super::rows(text, 8)
    }

    fn one(text: &str) -> serde_json::Value {
        let rows = rows(text).unwrap_or_else(|| panic!("no row: {text}"));
        assert_eq!(rows.len(), 1, "{text}");
        serde_json::from_str(&rows[0]).unwrap_or_else(|error| panic!("{error}: {}", rows[0]))
    }

    /// The value of a field as JSON.
    fn value(text: &str) -> String {
        one(&format!("x={text} y=1"))["x"].to_string()
    }

    #[test]
    fn values_are_what_repr_says() {
        for (text, json) in [
            ("None", "null"),
            ("True", "true"),
            ("-1.5e-07", "-1.5e-7"),
            ("1e+20", "1e+20"),
            ("Decimal('1.50')", "1.50"),
            ("Decimal('1E+2')", "1e+2"),
            ("Decimal('NaN')", r#""NaN""#),
            ("nan", r#""nan""#),
            ("-inf", r#""-inf""#),
            (r"'it\'s \\ \n \x41 \u20ac \U0001f600 é'", "\"it's \\\\ \\n A € 😀 é\""),
            (r#""it's""#, r#""it's""#),
            (r"b'\xff\x00A'", r#""\\xff0041""#),
            ("UUID('00000000-0000-0000-0000-00000000000a')", r#""00000000-0000-0000-0000-00000000000a""#),
            ("<Side.BUY: 'buy'>", r#""buy""#),
            ("<Kind.A: 3>", "3"),
            ("Side.BUY", r#""Side.BUY""#),
            ("<__main__.Feed object at 0x7f>", r#""<__main__.Feed object at 0x7f>""#),
            ("[1, 'a', (2,), {'k': None}]", r#"[1,"a",[2],{"k":null}]"#),
            ("np.float64(1.25)", "1.25"),
            ("Inner(a=1, b=[Decimal('2')])", r#"{"a":1,"b":[2]}"#),
            ("datetime.date(2024, 3, 1)", r#""2024-03-01""#),
            ("datetime.timedelta(days=1, seconds=5)", r#""1 days 5.000000 seconds""#),
            ("datetime.datetime(2024, 1, 2, 0, 0)", r#""2024-01-02T00:00:00""#),
            (
                "datetime.datetime(2024, 1, 2, 9, 30, 1, 500, tzinfo=TzInfo(UTC))",
                r#""2024-01-02T09:30:01.000500Z""#,
            ),
            (
                "datetime.datetime(2024, 1, 2, 9, 30, tzinfo=datetime.timezone.utc)",
                r#""2024-01-02T09:30:00Z""#,
            ),
            ("datetime.datetime(2024, 1, 2, 9, 30, tzinfo=TzInfo(+05:30))", r#""2024-01-02T09:30:00+05:30""#),
            ("datetime.datetime(2024, 1, 2, 9, 30, tzinfo=TzInfo(-18000))", r#""2024-01-02T09:30:00-05:00""#),
            (
                "datetime.datetime(2024, 1, 2, 9, 30, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=68400), 'EST'))",
                r#""2024-01-02T09:30:00-05:00""#,
            ),
            (
                "datetime.datetime(2024, 7, 2, 9, 30, tzinfo=zoneinfo.ZoneInfo(key='America/New_York'))",
                r#""2024-07-02T09:30:00-04:00""#,
            ),
            (
                "datetime.datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=zoneinfo.ZoneInfo(key='America/New_York'))",
                r#""2024-11-03T01:30:00-05:00""#,
            ),
            (
                "datetime.datetime(2024, 11, 3, 1, 30, tzinfo=zoneinfo.ZoneInfo(key='America/New_York'))",
                r#""2024-11-03T01:30:00-04:00""#,
            ),
            (
                "datetime.datetime(2024, 1, 2, 9, 30, tzinfo=<DstTzInfo 'America/New_York' EST-1 day, 19:00:00 STD>)",
                r#""2024-01-02T09:30:00-05:00""#,
            ),
            ("datetime.datetime(2024, 1, 2, 9, 30, tzinfo=<UTC>)", r#""2024-01-02T09:30:00Z""#),
            ("datetime.datetime(2024, 1, 2, 9, 30, tzinfo=tzutc())", r#""2024-01-02T09:30:00Z""#),
            (
                "datetime.datetime(2024, 1, 2, 9, 30, tzinfo=tzoffset(None, -18000))",
                r#""2024-01-02T09:30:00-05:00""#,
            ),
            ("Timestamp('2024-01-02 09:30:00+0000', tz='UTC')", r#""2024-01-02 09:30:00+0000""#),
        ] {
            let expected: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(value(text), expected.to_string(), "{text}");
        }
    }

    #[test]
    fn digits_are_kept() {
        let text = "p=Decimal('1.100000000000000000000000000001') v=123456789012345678901234567890";
        let row = rows(text).unwrap().remove(0);
        assert_eq!(row, r#"{"p":1.100000000000000000000000000001,"v":123456789012345678901234567890}"#);
    }

    #[test]
    fn rows_come_in_several_forms() {
        let expected = serde_json::json!({"symbol": "A", "n": 1});
        for text in [
            "symbol='A' n=1",
            " symbol='A'  n=1 ",
            "Bar(symbol='A', n=1)",
            "mds_client.models.Bar(symbol='A', n=1)",
            "{'symbol': 'A', 'n': 1}",
            "[Bar(symbol='A', n=1)]",
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        assert_eq!(
            rows("[Bar(n=1), {'n': 2}, \"n=3\"]").unwrap(),
            [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]
        );
    }

    #[test]
    fn rows_stand_in_eight_texts_at_most() {
        let within = |levels: usize| {
            let mut text = "a=1".to_owned();
            for _ in 0..levels {
                text = format!("'{}'", text.replace('\\', "\\x5c").replace('\'', "\\x27"));
            }
            rows(&text)
        };
        assert_eq!(within(8).unwrap(), [r#"{"a":1}"#]);
        assert_eq!(within(9), None);
        assert_eq!(within(60), None);
    }

    #[test]
    fn what_is_no_row_is_none() {
        let deep = format!("x={}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [
            "",
            "garbage",
            "'text'",
            "1",
            "None",
            "could not connect",
            "a=",
            "a='x",
            "a=1 b",
            "Bar(a=1",
            "a=datetime.datetime(2024, 13, 1)",
            "a='\\ud800'",
            "{'a': 1} b",
            "[]",
            "Bar()",
            "a=1b=2",
            // These come to themselves.
            "inf",
            "-nan",
            "+inf",
            "np.nan",
            "Infinity",
            "['nan', 'inf']",
            &deep,
        ] {
            assert_eq!(rows(text), None, "{}", text.get(..40).unwrap_or(text));
        }
    }
}
