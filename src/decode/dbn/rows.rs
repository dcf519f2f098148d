//! Records of DBN as columns, under the names that Databento's CSV has for them.

use std::sync::Arc;

use ::dbn::record::{BidAskPair, ConsolidatedBidAskPair};
use ::dbn::{
    BboMsg, CbboMsg, Cmbp1Msg, Mbp1Msg, OhlcvMsg, RecordRef, Schema as DbnSchema, TradeMsg, TsSymbolMap,
    UNDEF_ORDER_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP,
};
use arrow::array::{
    ArrayRef, Decimal128Array, RecordBatch, StringArray, StringDictionaryBuilder, TimestampNanosecondArray,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

/// Digits behind the point of a price.
const SCALE: i8 = 9;

/// Digits of 64 bits.
const DIGITS: u8 = 19;

/// `rtype` of messages about the stream and not the market: mappings of symbols, heartbeats.
const ABOUT_THE_STREAM: [u8; 2] = [0x16, 0x17];

/// What records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bars of that timeframe.
    Bars(&'static str),
    Trades,
    /// The best bid and offer after each change or, for trades, before.
    Quotes,
    /// The best bid and offer of several venues together.
    ConsolidatedQuotes,
    /// The best bid and offer at the end of each interval.
    SampledQuotes,
    /// That of several venues together.
    SampledConsolidatedQuotes,
}

impl Kind {
    /// The schemas of DBN that can be read, for messages.
    pub(super) const SCHEMAS: &'static str = "ohlcv-1s, ohlcv-1m, ohlcv-1h, ohlcv-1d, trades, tbbo, mbp-1, bbo-1s, bbo-1m, tcbbo, cmbp-1, cbbo-1s and cbbo-1m";

    /// By the name of a schema.
    pub(super) fn of(schema: DbnSchema) -> Option<Self> {
        Some(match schema {
            DbnSchema::Ohlcv1S => Self::Bars("1s"),
            DbnSchema::Ohlcv1M => Self::Bars("1m"),
            DbnSchema::Ohlcv1H => Self::Bars("1h"),
            DbnSchema::Ohlcv1D => Self::Bars("1d"),
            DbnSchema::Trades => Self::Trades,
            DbnSchema::Tbbo | DbnSchema::Mbp1 => Self::Quotes,
            DbnSchema::Tcbbo | DbnSchema::Cmbp1 => Self::ConsolidatedQuotes,
            DbnSchema::Bbo1S | DbnSchema::Bbo1M => Self::SampledQuotes,
            DbnSchema::Cbbo1S | DbnSchema::Cbbo1M => Self::SampledConsolidatedQuotes,
            _ => return None,
        })
    }

    fn prices(self) -> &'static [&'static str] {
        match self {
            Self::Bars(_) => &["open", "high", "low", "close"],
            Self::Trades => &["price"],
            _ => &["bid_px_00", "ask_px_00"],
        }
    }

    fn sizes(self) -> &'static [&'static str] {
        match self {
            Self::Bars(_) => &["volume"],
            Self::Trades => &["size"],
            _ => &["bid_sz_00", "ask_sz_00"],
        }
    }

    /// Whether its rows are of the end of an interval: the time of their event is that of the last trade.
    fn is_sampled(self) -> bool {
        matches!(self, Self::SampledQuotes | Self::SampledConsolidatedQuotes)
    }
}

/// Rows that are being collected.
pub(super) struct Rows {
    kind: Kind,
    symbols: Option<TsSymbolMap>,
    event: Vec<Option<i64>>,
    received: Vec<Option<i64>>,
    publishers: Vec<u32>,
    instruments: Vec<u32>,
    names: StringDictionaryBuilder<Int32Type>,
    prices: Vec<Vec<Option<i128>>>,
    sizes: Vec<Vec<Option<u64>>>,
    sides: Vec<Option<&'static str>>,
    sequences: Vec<u32>,
}

impl Rows {
    pub(super) fn new(kind: Kind, symbols: Option<TsSymbolMap>) -> Self {
        Self {
            kind,
            symbols,
            event: Vec::new(),
            received: Vec::new(),
            publishers: Vec::new(),
            instruments: Vec::new(),
            names: StringDictionaryBuilder::new(),
            prices: vec![Vec::new(); kind.prices().len()],
            sizes: vec![Vec::new(); kind.sizes().len()],
            sides: Vec::new(),
            sequences: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.event.len()
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        let mut empty = Self::new(self.kind, self.symbols.as_ref().map(|_| TsSymbolMap::new()));
        let columns = empty.take();
        columns.map_or_else(
            |_| Vec::new(),
            |columns| {
                columns.schema().fields().iter().map(|field| Arc::from(field.name().as_str())).collect()
            },
        )
    }

    /// Adds a record.
    ///
    /// # Errors
    /// Where it is another one than the metadata says.
    pub(super) fn push(&mut self, record: RecordRef<'_>) -> Result<(), &'static str> {
        let header = record.header();
        if ABOUT_THE_STREAM.contains(&header.rtype) {
            return Ok(());
        }
        const OTHER: &str = "a record of another schema than its metadata says";
        // The time by which Databento's mappings are to be looked up.
        let index = match self.kind {
            Kind::Bars(_) => {
                let bar = record.get::<OhlcvMsg>().ok_or(OTHER)?;
                self.values(
                    &[bar.open, bar.high, bar.low, bar.close],
                    &[Some(bar.volume).filter(|v| *v != u64::MAX)],
                );
                header.ts_event
            }
            Kind::Trades => {
                let trade = record.get::<TradeMsg>().ok_or(OTHER)?;
                self.values(&[trade.price], &[size(trade.size)]);
                self.sides.push(match trade.side as u8 {
                    b'A' => Some("A"),
                    b'B' => Some("B"),
                    b'N' => Some("N"),
                    _ => None,
                });
                self.sequences.push(trade.sequence);
                self.received(trade.ts_recv)
            }
            Kind::Quotes => {
                let quote = record.get::<Mbp1Msg>().ok_or(OTHER)?;
                let [BidAskPair { bid_px, ask_px, bid_sz, ask_sz, .. }] = &quote.levels;
                self.values(&[*bid_px, *ask_px], &[size(*bid_sz), size(*ask_sz)]);
                self.sequences.push(quote.sequence);
                self.received(quote.ts_recv)
            }
            Kind::ConsolidatedQuotes => {
                let quote = record.get::<Cmbp1Msg>().ok_or(OTHER)?;
                let [ConsolidatedBidAskPair { bid_px, ask_px, bid_sz, ask_sz, .. }] = &quote.levels;
                self.values(&[*bid_px, *ask_px], &[size(*bid_sz), size(*ask_sz)]);
                self.received(quote.ts_recv)
            }
            Kind::SampledQuotes => {
                let quote = record.get::<BboMsg>().ok_or(OTHER)?;
                let [BidAskPair { bid_px, ask_px, bid_sz, ask_sz, .. }] = &quote.levels;
                self.values(&[*bid_px, *ask_px], &[size(*bid_sz), size(*ask_sz)]);
                self.sequences.push(quote.sequence);
                self.received(quote.ts_recv)
            }
            Kind::SampledConsolidatedQuotes => {
                let quote = record.get::<CbboMsg>().ok_or(OTHER)?;
                let [ConsolidatedBidAskPair { bid_px, ask_px, bid_sz, ask_sz, .. }] = &quote.levels;
                self.values(&[*bid_px, *ask_px], &[size(*bid_sz), size(*ask_sz)]);
                self.received(quote.ts_recv)
            }
        };
        self.event.push(time(header.ts_event));
        self.publishers.push(header.publisher_id.into());
        self.instruments.push(header.instrument_id);
        if let Some(symbols) = &self.symbols {
            self.names.append_option(symbols.get_for_ts(index, header.instrument_id));
        }
        Ok(())
    }

    fn values(&mut self, prices: &[i64], sizes: &[Option<u64>]) {
        for (column, price) in self.prices.iter_mut().zip(prices) {
            column.push((*price != UNDEF_PRICE).then_some(i128::from(*price)));
        }
        for (column, size) in self.sizes.iter_mut().zip(sizes) {
            column.push(*size);
        }
    }

    fn received(&mut self, at: u64) -> u64 {
        self.received.push(time(at));
        at
    }

    /// The columns of the rows so far.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let take = std::mem::take::<Vec<Option<i64>>>;
        let times = |times: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
        };
        let whole =
            |numbers: &mut Vec<u32>| -> ArrayRef { Arc::new(UInt32Array::from(std::mem::take(numbers))) };
        let count = self.len();
        let event = times(take(&mut self.event));
        let mut columns: Vec<(&str, ArrayRef)> =
            if self.kind.is_sampled() { Vec::new() } else { vec![("ts_event", event)] };
        if !matches!(self.kind, Kind::Bars(_)) {
            columns.push(("ts_recv", times(take(&mut self.received))));
        }
        columns.push(("publisher_id", whole(&mut self.publishers)));
        columns.push(("instrument_id", whole(&mut self.instruments)));
        if let Kind::Bars(timeframe) = self.kind {
            columns.push(("timeframe", Arc::new(StringArray::from(vec![timeframe; count]))));
        }
        for (name, prices) in self.kind.prices().iter().zip(&mut self.prices) {
            let prices = Decimal128Array::from(std::mem::take(prices));
            columns.push((name, Arc::new(prices.with_precision_and_scale(DIGITS, SCALE)?)));
        }
        for (name, sizes) in self.kind.sizes().iter().zip(&mut self.sizes) {
            columns.push((name, Arc::new(UInt64Array::from(std::mem::take(sizes)))));
        }
        if self.kind == Kind::Trades {
            columns.push(("side", Arc::new(StringArray::from(std::mem::take(&mut self.sides)))));
        }
        if matches!(self.kind, Kind::Trades | Kind::Quotes | Kind::SampledQuotes) {
            columns.push(("sequence", whole(&mut self.sequences)));
        }
        if self.symbols.is_some() {
            columns.push(("symbol", Arc::new(self.names.finish())));
        }
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
    }
}

fn size(size: u32) -> Option<u64> {
    (size != UNDEF_ORDER_SIZE).then_some(size.into())
}

/// A time; `None` where there is none.
fn time(nanos: u64) -> Option<i64> {
    i64::try_from(nanos).ok().filter(|_| nanos != UNDEF_TIMESTAMP)
}
