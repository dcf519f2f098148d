//! The datasets that are known: their columns, keys and the names that vendors give them.

use std::borrow::Cow;

use crate::dataset::describe::Kind::{Date, Nanos, Number, OptionType, Symbol, Text, Timestamp, Uuid};
use crate::dataset::describe::Requirement::{Expected, Key, Optional, Required};
use crate::dataset::describe::{Check, Column, Dataset, Derivation, Kind, column, derived};

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
/// Names that a column goes by in few inputs, and that may stand for something else: they count where no other one is
/// there. Without case, blanks and punctuation.
pub fn rare_names(column: &str) -> &'static [&'static str] {
    match column {
        "ts" => &["day", "createdat", "timestampcreated"],
        "symbol" => &[
            "stock",
            "coin",
            "productid",
            "instrumentname",
            "tradingpair",
            "currencypair",
            "tckrsymb",
            "contractcode",
        ],
        "price" => &["rate"],
        "size" => &["sz", "tradeamount", "tradevolume", "tradeqty", "lastsize"],
        _ => &[],
    }
}

/// Names that inputs give to the vendor.
const VENDOR_NAMES: &[&str] = &["provider", "data_vendor", "feed"];

/// Names that inputs give to the tenant.
const TENANT_NAMES: &[&str] = &["tenant"];

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
        Check::Filled(&["open_price", "high_price", "low_price", "close_price", "volume", "vwap", "trades"]),
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
            &[
                "id",
                "tid",
                "i",
                "tradeid",
                "agg_trade_id",
                "match_id",
                "trd_match_id",
                "exec_id",
                "execution_id",
                "fill_id",
            ],
            Derivation::ContentHash,
        ),
        column("price", Number, Expected, &["p", "px", "trade_price", "last_price"]),
        column("size", Number, Expected, &["s", "qty", "quantity", "amount", "volume", "trade_size"]),
        EXCHANGE,
        column(
            "side",
            Text,
            Optional,
            &["taker_side", "aggressor_side", "aggressor", "trade_side", "order_side"],
        ),
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
            &[
                "expiration",
                "exp",
                "exdate",
                "exp_date",
                "expiration_date",
                "expiry_date",
                "expiry_dt",
                "xprydt",
                "maturity",
            ],
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
                "option_typ",
                "optntp",
                "put_call_ind",
            ],
        ),
        column(
            "strike",
            Number,
            Key,
            &["strike_price", "k", "strikeprice", "strike_pr", "strike_prc", "strkpric"],
        ),
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
        Check::Filled(&["iv", "delta", "gamma", "theta", "vega", "oi", "volume", "spot", "bid", "ask"]),
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
        Check::Filled(&["total_assets", "total_liabilities", "net_income", "eps"]),
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
        Check::Words("sentiment_score", &[("positive", "1"), ("neutral", "0"), ("negative", "-1")]),
        Check::NotFuture("published_at"),
        Check::Says(&["title", "url", "sentiment_score"]),
    ],
};

/// All datasets, in the order in which they are named to the user.
pub const ALL: &[Dataset] = &[BARS, TICKS, QUOTES, OPTIONS, FUNDAMENTALS, NEWS];

/// The dataset of that name.
pub fn by_name(name: &str) -> Option<&'static Dataset> {
    ALL.iter().find(|d| d.name == name)
}
