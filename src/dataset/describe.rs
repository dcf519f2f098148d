//! What a dataset is: its columns, their kinds, its key and its checks. Data, not code paths.

use std::borrow::Cow;

use arrow::datatypes::{DataType, TimeUnit};

/// What the values of a column are. Decides how text is read and in which Arrow type it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An instant; `Timestamp(ns, UTC)`.
    Timestamp,
    /// A calendar day; `Date32`.
    Date,
    /// A number, exact. Travels as it comes: `Int64`, `Float64` (shortest decimal form),
    /// Numbers of any type.
    Number,
    /// A number in a column of doubles: the nearest double of the text, of any size; else as
    /// [`Number`](Self::Number).
    Double,
    /// The same in a column of single precision.
    Single,
    /// Nanoseconds that a microsecond clock cuts off, 0 to 999; made from the time column.
    Nanos,
    /// A ticker: trimmed, upper-cased where it is all in small letters, never null; `Utf8`.
    Symbol,
    /// The time that a bar spans, in its one spelling (`1m`); `Utf8`.
    Timeframe,
    /// The same in a table with a CHECK that wants capitals; `Utf8`.
    UpperSymbol,
    /// `C` or `P`; `Utf8`.
    OptionType,
    /// Text; `Utf8`.
    Text,
    /// Text in the words of the table's own type that holds no text (an array, a time of day, a range),
    /// taken as it is; `Utf8`.
    Words,
    /// Bytes, as `\x` and hexadecimal digits where they came as bytes, and otherwise as the text that came;
    /// `Utf8`.
    Bytes,
    /// The same where any text may be a value (an enum, `citext`, `xml`): null words are none; `Utf8`.
    Label,
    /// A UUID as text; `Utf8`.
    Uuid,
    /// Any JSON value as text; `Utf8`.
    Json,
    /// A truth value; `Boolean`.
    Bool,
}

impl Kind {
    /// Whether its values are numbers of any size.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Double | Self::Single)
    }

    /// The Arrow type of the column, or `None` for numbers, which keep the type they came in.
    pub fn arrow_type(self) -> Option<DataType> {
        match self {
            Self::Timestamp => Some(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
            Self::Date => Some(DataType::Date32),
            Self::Nanos => Some(DataType::Int64),
            Self::Number | Self::Double | Self::Single => None,
            Self::Symbol
            | Self::UpperSymbol
            | Self::Timeframe
            | Self::OptionType
            | Self::Text
            | Self::Words
            | Self::Bytes
            | Self::Label
            | Self::Uuid
            | Self::Json => Some(DataType::Utf8),
            Self::Bool => Some(DataType::Boolean),
        }
    }
}

/// How much a dataset needs a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Part of the conflict key: must be there and not null.
    Key,
    /// Must be among the columns of the input, and not null.
    Required,
    /// Must be among the columns of the input; may be null.
    Expected,
    /// May be missing.
    Optional,
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Canonical name, which is also the table's.
    pub name: Cow<'static, str>,
    /// What its values are.
    pub kind: Kind,
    /// How much it is needed.
    pub need: Requirement,
    /// Other names that inputs use for it, in lower case.
    pub synonyms: &'static [&'static str],
    /// How its value is made where the input has none.
    pub derive: Option<Derivation>,
}

/// A value made from the row itself where the input has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivation {
    /// Hash of the row's content and its ordinal among equal rows of the source.
    ContentHash,
    /// The id of an article in one row for each instrument that it is about: see
    /// [`article_id`](crate::dataset::articles::article_id).
    Article {
        /// Columns the first of which that is not null tells the article, where it has no id.
        told_by: &'static [&'static str],
        /// Columns that tell its rows apart.
        apart: [&'static str; 2],
    },
    /// The empty text, where the table takes no null.
    Empty,
    /// The nanoseconds below the microsecond of this column.
    NanosOf(&'static str),
    /// The spacing of this time column, as a timeframe (`1m`).
    SpacingOf(&'static str),
}

impl Derivation {
    /// Whether it also stands in for single nulls of a column that the input has.
    pub fn fills(self) -> bool {
        matches!(self, Self::ContentHash | Self::Article { .. } | Self::Empty)
    }
}

/// A plausibility check (`--quality`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The column is at least as large as each of the others.
    AtLeast(&'static str, &'static [&'static str]),
    /// The column is at most as large as each of the others.
    AtMost(&'static str, &'static [&'static str]),
    /// None of the columns is below zero.
    NotNegative(&'static [&'static str]),
    /// The column lies between the two numbers, both included.
    Between(&'static str, i64, i64),
    /// The first, a price to sell at, is not below the second, one to buy at. Zero is no price: that
    /// side of the market is empty.
    Uncrossed(&'static str, &'static str),
    /// The time is not in the future.
    NotFuture(&'static str),
    /// One of the columns has a value; the text names what they are.
    Some(&'static str, &'static [&'static str]),
    /// One of these, which are all that a row says beside its key, has a value. One that has none is
    /// refused whatever `--quality` says: it must not replace a row that says something.
    Says(&'static [&'static str]),
}

/// A dataset: what its rows mean and where they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name (`bars`), as in `--dataset`.
    pub name: Cow<'static, str>,
    /// Table, with its schema if the user gave one.
    pub table: Cow<'static, str>,
    /// Columns, in the order of the table.
    pub columns: Cow<'static, [Column]>,
    /// Conflict key, in the order of the index that serves it. Empty: rows are only appended.
    pub key: Cow<'static, [&'static str]>,
    /// Keys of our own tables of earlier versions, which `schema apply` changes.
    pub earlier_keys: &'static [&'static [&'static str]],
    /// The time column, which partitions the table.
    pub time: Option<Cow<'static, str>>,
    /// Days that one chunk of a hypertable spans.
    pub chunk_days: u32,
    /// Key columns by whose values the rows of a chunk are compressed apart. Those that have many
    /// rows a value and chunk, and that readers ask for by value.
    pub segment_by: &'static [&'static str],
    /// Days after which a chunk is compressed: when it is no longer written to as a rule.
    pub compress_days: u32,
    /// Columns of which at least one must be present for an input to be this dataset.
    pub signature: &'static [&'static str],
    /// Plausibility checks.
    pub checks: &'static [Check],
}

impl Dataset {
    /// The column of that canonical name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether it makes ids of what rows contain where they have none.
    pub fn makes_ids(&self) -> bool {
        self.columns.iter().any(|column| column.derive == Some(Derivation::ContentHash))
    }

    /// The columns of the key that a key of an earlier version lacks; none where it is no such key.
    pub fn missing_from<S: AsRef<str>>(&self, key: &[S]) -> Vec<&'static str> {
        let earlier = |known: &&&[&str]| known.iter().copied().eq(key.iter().map(AsRef::as_ref));
        match self.earlier_keys.iter().find(earlier) {
            Some(earlier) => self.key.iter().copied().filter(|name| !earlier.contains(name)).collect(),
            None => Vec::new(),
        }
    }

    /// In which order the rows of a segment are compressed: by time, then by what is left of the
    /// key, so that every column of the key bounds what a late row has to be compared with.
    pub fn order_by(&self) -> Vec<&str> {
        let rest = self.key.iter().copied().filter(|name| !self.segment_by.contains(name));
        let time = self.time.as_deref();
        time.into_iter().chain(rest.filter(|name| Some(*name) != time)).collect()
    }
}

const fn column(
    name: &'static str,
    kind: Kind,
    need: Requirement,
    synonyms: &'static [&'static str],
) -> Column {
    Column { name: Cow::Borrowed(name), kind, need, synonyms, derive: None }
}

const fn derived(
    name: &'static str,
    kind: Kind,
    need: Requirement,
    synonyms: &'static [&'static str],
    derive: Derivation,
) -> Column {
    Column { name: Cow::Borrowed(name), kind, need, synonyms, derive: Some(derive) }
}

/// Names that vendors give to the time of a row.
const TIME_NAMES: &[&str] = &[
    "t",
    "time",
    "timestamp",
    "date",
    "datetime",
    "date_time",
    "window_start",
    "open_time",
    "ts_event",
    "start",
    "bar_time",
    "sip_timestamp",
    "ts_utc",
    "timestamp_utc",
    "gmt time",
    "gmt_time",
    "transact_time",
    "transaction_time",
];
/// Names that vendors give to the instrument.
const SYMBOL_NAMES: &[&str] =
    &["ticker", "sym", "instrument", "security", "pair", "underlying", "ric", "#ric"];
/// Names that inputs give to the vendor.
const VENDOR_NAMES: &[&str] = &["provider", "data_vendor", "feed"];
/// Names that inputs give to the tenant.
const TENANT_NAMES: &[&str] = &["tenant"];

use Kind::{Date, Nanos, Number, OptionType, Symbol, Text, Timestamp, Uuid};
use Requirement::{Expected, Key, Optional, Required};

const TENANT: Column = column("tenant_id", Uuid, Key, TENANT_NAMES);
const VENDOR: Column = column("vendor", Text, Key, VENDOR_NAMES);
const SYMBOL: Column = column("symbol", Symbol, Key, SYMBOL_NAMES);
/// Where a trade or a quote comes from; the empty text where it does not say.
const EXCHANGE: Column = derived("exchange", Text, Key, &["x", "exch", "venue", "market"], Derivation::Empty);

/// Open, high, low and close with volume, one row an interval.
pub const BARS: Dataset = Dataset {
    name: Cow::Borrowed("bars"),
    table: Cow::Borrowed("bars"),
    columns: Cow::Borrowed(&[
        column("ts", Timestamp, Key, TIME_NAMES),
        TENANT,
        VENDOR,
        SYMBOL,
        derived(
            "timeframe",
            Kind::Timeframe,
            Key,
            &["interval", "tf", "resolution", "bar_size", "barsize", "period", "granularity"],
            Derivation::SpacingOf("ts"),
        ),
        column("open_price", Number, Expected, &["open", "o", "px_open", "first"]),
        column("high_price", Number, Expected, &["high", "h", "px_high", "max"]),
        column("low_price", Number, Expected, &["low", "l", "px_low", "min"]),
        column("close_price", Number, Expected, &["close", "c", "px_last", "last", "close/last"]),
        column("volume", Number, Optional, &["v", "vol", "vol.", "volume_traded", "qty"]),
        column("vwap", Number, Optional, &["vw", "average", "wap", "volume_weighted_average_price"]),
        column(
            "trades",
            Number,
            Optional,
            &[
                "n",
                "transactions",
                "trade_count",
                "count",
                "num_trades",
                "barcount",
                "bar_count",
                "number_of_trades",
            ],
        ),
    ]),
    key: Cow::Borrowed(&["symbol", "timeframe", "ts", "vendor", "tenant_id"]),
    earlier_keys: &[],
    time: Some(Cow::Borrowed("ts")),
    chunk_days: 7,
    segment_by: &["symbol", "timeframe", "vendor", "tenant_id"],
    compress_days: 30,
    signature: &["open_price", "high_price", "low_price"],
    checks: &[
        Check::AtLeast("high_price", &["open_price", "close_price", "low_price"]),
        Check::AtMost("low_price", &["open_price", "close_price"]),
        Check::NotNegative(&[
            "open_price",
            "high_price",
            "low_price",
            "close_price",
            "volume",
            "vwap",
            "trades",
        ]),
        Check::NotFuture("ts"),
        Check::Some("price", &["open_price", "high_price", "low_price", "close_price"]),
        Check::Says(&["open_price", "high_price", "low_price", "close_price", "volume", "vwap", "trades"]),
    ],
};

/// Single trades.
pub const TICKS: Dataset = Dataset {
    name: Cow::Borrowed("ticks"),
    table: Cow::Borrowed("ticks"),
    columns: Cow::Borrowed(&[
        column("ts", Timestamp, Key, TIME_NAMES),
        derived("ts_ns", Nanos, Optional, &[], Derivation::NanosOf("ts")),
        TENANT,
        VENDOR,
        SYMBOL,
        derived(
            "trade_id",
            Text,
            Key,
            &["id", "tid", "i", "tradeid", "agg_trade_id", "match_id"],
            Derivation::ContentHash,
        ),
        column("price", Number, Expected, &["p", "px", "trade_price", "last_price"]),
        column("size", Number, Expected, &["s", "qty", "quantity", "amount", "volume", "trade_size"]),
        EXCHANGE,
        column("side", Text, Optional, &["taker_side", "aggressor_side"]),
        column("conditions", Text, Optional, &["cond", "condition", "sale_conditions"]),
    ]),
    // Exchanges number their trades by themselves.
    key: Cow::Borrowed(&["symbol", "ts", "vendor", "exchange", "trade_id", "tenant_id"]),
    earlier_keys: &[&["symbol", "ts", "trade_id", "vendor", "tenant_id"]],
    time: Some(Cow::Borrowed("ts")),
    chunk_days: 1,
    segment_by: &["symbol", "vendor", "tenant_id"],
    compress_days: 7,
    signature: &["price"],
    checks: &[
        Check::NotNegative(&["price", "size"]),
        Check::NotFuture("ts"),
        Check::Some("price", &["price"]),
        Check::Says(&["price", "size"]),
    ],
};

/// Bid and ask of an instrument, one row a change.
pub const QUOTES: Dataset = Dataset {
    name: Cow::Borrowed("quotes"),
    table: Cow::Borrowed("quotes"),
    columns: Cow::Borrowed(&[
        column("ts", Timestamp, Key, TIME_NAMES),
        derived("ts_ns", Nanos, Optional, &[], Derivation::NanosOf("ts")),
        TENANT,
        VENDOR,
        SYMBOL,
        EXCHANGE,
        derived(
            "sequence",
            Text,
            Key,
            &["sequence_number", "seq", "seq_no", "seqnum", "seq_num", "update_id", "quote_id"],
            Derivation::ContentHash,
        ),
        column(
            "bid",
            Number,
            Expected,
            &["bid_price", "best_bid", "best_bid_price", "bidprice", "bid_px", "bid_px_00", "bp"],
        ),
        column(
            "bid_size",
            Number,
            Optional,
            &[
                "bid_amount",
                "bid_qty",
                "bid_quantity",
                "bid_volume",
                "bid_sz",
                "bid_sz_00",
                "best_bid_size",
                "best_bid_qty",
                "best_bid_quantity",
                "best_bid_amount",
                "bidsize",
                "bidvolume",
                "bidqty",
                "bs",
            ],
        ),
        column(
            "ask",
            Number,
            Expected,
            &[
                "ask_price",
                "best_ask",
                "best_ask_price",
                "best_offer",
                "offer",
                "offer_price",
                "askprice",
                "ask_px",
                "ask_px_00",
                "ap",
            ],
        ),
        column(
            "ask_size",
            Number,
            Optional,
            &[
                "ask_amount",
                "ask_qty",
                "ask_quantity",
                "ask_volume",
                "ask_sz",
                "ask_sz_00",
                "best_ask_size",
                "best_ask_qty",
                "best_ask_quantity",
                "best_ask_amount",
                "offer_size",
                "asksize",
                "askvolume",
                "askqty",
                "as",
            ],
        ),
        column("conditions", Text, Optional, &["c", "cond", "condition", "quote_conditions"]),
        column("bid_exchange", Text, Optional, &["bx", "bid_exch", "bidexchange", "bid_venue"]),
        column(
            "ask_exchange",
            Text,
            Optional,
            &["ax", "ask_exch", "askexchange", "ask_venue", "offer_exchange"],
        ),
    ]),
    key: Cow::Borrowed(&["symbol", "ts", "vendor", "exchange", "sequence", "tenant_id"]),
    earlier_keys: &[],
    time: Some(Cow::Borrowed("ts")),
    chunk_days: 1,
    segment_by: &["symbol", "vendor", "tenant_id"],
    compress_days: 7,
    signature: &["bid", "ask"],
    checks: &[
        Check::NotNegative(&["bid", "bid_size", "ask", "ask_size"]),
        Check::Uncrossed("ask", "bid"),
        Check::NotFuture("ts"),
        Check::Says(&["bid", "bid_size", "ask", "ask_size"]),
    ],
};

/// Snapshots of option contracts.
pub const OPTIONS: Dataset = Dataset {
    name: Cow::Borrowed("options"),
    table: Cow::Borrowed("options_snap"),
    columns: Cow::Borrowed(&[
        column(
            "ts",
            Timestamp,
            Key,
            &[
                "t",
                "time",
                "timestamp",
                "date",
                "datetime",
                "quote_date",
                "quotedate",
                "snapshot_time",
                "asof",
            ],
        ),
        TENANT,
        VENDOR,
        SYMBOL,
        column(
            "expiry",
            Date,
            Key,
            &["expiration", "exp", "exdate", "exp_date", "expiration_date", "expiry_date", "maturity"],
        ),
        column(
            "option_type",
            OptionType,
            Key,
            &[
                "type",
                "right",
                "cp_flag",
                "put_call",
                "putcall",
                "call_put",
                "cp",
                "option_right",
                "contract_type",
            ],
        ),
        column("strike", Number, Key, &["strike_price", "k", "strikeprice"]),
        column(
            "iv",
            Number,
            Optional,
            &["implied_vol", "implied_volatility", "impl_volatility", "impliedvol", "mark_iv"],
        ),
        column("delta", Number, Optional, &[]),
        column("gamma", Number, Optional, &[]),
        column("theta", Number, Optional, &[]),
        column("vega", Number, Optional, &[]),
        column("oi", Number, Optional, &["open_interest", "openinterest", "openint"]),
        column("volume", Number, Optional, &["v", "vol", "trade_volume"]),
        column(
            "spot",
            Number,
            Optional,
            &["underlying_price", "underlying_last", "spot_price", "underlyingprice"],
        ),
        column("bid", Number, Optional, &["bid_price", "best_bid"]),
        column("ask", Number, Optional, &["ask_price", "best_offer", "best_ask", "offer"]),
    ]),
    key: Cow::Borrowed(&["symbol", "expiry", "option_type", "strike", "ts", "vendor", "tenant_id"]),
    earlier_keys: &[],
    time: Some(Cow::Borrowed("ts")),
    chunk_days: 7,
    segment_by: &["symbol", "vendor", "tenant_id"],
    compress_days: 30,
    signature: &["strike"],
    checks: &[
        Check::NotNegative(&["strike", "iv", "oi", "volume", "spot", "bid", "ask"]),
        Check::Uncrossed("ask", "bid"),
        Check::NotFuture("ts"),
        Check::Says(&["iv", "delta", "gamma", "theta", "vega", "oi", "volume", "spot", "bid", "ask"]),
    ],
};

/// Figures of a company's reports.
pub const FUNDAMENTALS: Dataset = Dataset {
    name: Cow::Borrowed("fundamentals"),
    table: Cow::Borrowed("fundamentals"),
    columns: Cow::Borrowed(&[
        column(
            "asof",
            Timestamp,
            Key,
            &["as_of", "date", "report_date", "period_end", "fiscal_date_ending", "end", "ts", "timestamp"],
        ),
        TENANT,
        VENDOR,
        SYMBOL,
        column("total_assets", Number, Optional, &["totalassets", "assets"]),
        column("total_liabilities", Number, Optional, &["totalliabilities", "liabilities"]),
        column("net_income", Number, Optional, &["netincome", "net_income_loss", "netincomeloss"]),
        column(
            "eps",
            Number,
            Optional,
            &["earnings_per_share", "diluted_eps", "eps_diluted", "reported_eps"],
        ),
    ]),
    key: Cow::Borrowed(&["symbol", "asof", "vendor", "tenant_id"]),
    earlier_keys: &[],
    time: Some(Cow::Borrowed("asof")),
    chunk_days: 90,
    // A symbol has a row or two in a chunk: too few to be compressed by themselves.
    segment_by: &["vendor", "tenant_id"],
    compress_days: 365,
    signature: &["total_assets", "total_liabilities", "net_income", "eps"],
    checks: &[
        Check::NotNegative(&["total_assets", "total_liabilities"]),
        Check::NotFuture("asof"),
        Check::Says(&["total_assets", "total_liabilities", "net_income", "eps"]),
    ],
};

/// Headlines.
pub const NEWS: Dataset = Dataset {
    name: Cow::Borrowed("news"),
    table: Cow::Borrowed("news"),
    columns: Cow::Borrowed(&[
        column(
            "published_at",
            Timestamp,
            Key,
            &[
                "published",
                "published_utc",
                "pubdate",
                "pub_date",
                "date",
                "datetime",
                "time",
                "ts",
                "timestamp",
                "created_at",
            ],
        ),
        TENANT,
        VENDOR,
        derived(
            "id",
            Uuid,
            Key,
            &["uuid"],
            Derivation::Article { told_by: &["url", "title"], apart: ["vendor", "symbol"] },
        ),
        // Some news are about no instrument.
        derived("symbol", Symbol, Key, SYMBOL_NAMES, Derivation::Empty),
        column("title", Text, Required, &["headline"]),
        column("url", Text, Optional, &["link", "article_url"]),
        column("sentiment_score", Number, Optional, &["sentiment", "score"]),
    ]),
    key: Cow::Borrowed(&["published_at", "vendor", "symbol", "id", "tenant_id"]),
    earlier_keys: &[&["published_at", "vendor", "id", "tenant_id"]],
    time: Some(Cow::Borrowed("published_at")),
    chunk_days: 30,
    segment_by: &["vendor", "tenant_id"],
    compress_days: 90,
    signature: &["title"],
    checks: &[
        Check::Between("sentiment_score", -1, 1),
        Check::NotFuture("published_at"),
        Check::Says(&["title", "url", "sentiment_score"]),
    ],
};

/// All datasets, in the order in which they are named to the user.
pub const ALL: &[Dataset] = &[BARS, TICKS, QUOTES, OPTIONS, FUNDAMENTALS, NEWS];

/// What is to be said of a table whose key is one of an earlier version, and lacks these columns.
pub fn earlier_key(missing: &[&str]) -> String {
    let names = missing.join(" and ");
    format!(
        "its key is that of an earlier version, without {names}, so that rows which differ in {names} alone take \
         each other's place; run: mdsctl schema apply"
    )
}

/// The dataset of that name.
pub fn by_name(name: &str) -> Option<&'static Dataset> {
    ALL.iter().find(|d| d.name == name)
}

/// Tenant of rows that belong to none: the nil UUID, default of `tenant_id` in our own tables.
pub const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";
