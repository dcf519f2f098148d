//! Files of Databento in their binary encoding, made by its own library.

use dbn::encode::EncodeRecord;
use dbn::encode::dbn::Encoder;
use dbn::{
    Action, BboMsg, BidAskPair, FlagSet, HasRType, MappingInterval, MboMsg, Mbp1Msg, Metadata, OhlcvMsg,
    RecordHeader, SType, Schema, Side, SymbolMapping, TradeMsg, UNDEF_ORDER_SIZE, UNDEF_PRICE,
    UNDEF_TIMESTAMP,
};

use crate::harness::pack;
use crate::harness::{Run, Store, Work, on_both_stores};

/// 2024-01-02T00:00:00Z.
const DAY: u64 = 1_704_153_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const NEXT_DAY: u64 = DAY + 86_400 * SECOND;

/// Number 7 is AAPL on the first day and MSFT on the second.
fn metadata(version: u8, schema: Option<Schema>, mapped: bool) -> Metadata {
    let built = |start: u64, mappings| {
        Metadata::builder()
            .version(version)
            .dataset("XNAS.ITCH")
            .schema(schema)
            .start(start)
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .mappings(mappings)
            .build()
    };
    let date = |at: u64| built(at, Vec::new()).start().date();
    let mapping = |name: &str, from: u64| SymbolMapping {
        raw_symbol: name.to_owned(),
        intervals: vec![MappingInterval {
            start_date: date(from),
            end_date: date(from + 86_400 * SECOND),
            symbol: "7".to_owned(),
        }],
    };
    built(DAY, if mapped { vec![mapping("AAPL", DAY), mapping("MSFT", NEXT_DAY)] } else { Vec::new() })
}

fn header<T: HasRType>(rtype: u8, at: u64) -> RecordHeader {
    RecordHeader::new::<T>(rtype, 2, 7, at)
}

fn encoded<T: dbn::encode::DbnEncodable>(metadata: &Metadata, records: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, metadata).expect("metadata");
    records.iter().for_each(|record| encoder.encode_record(record).expect("a record"));
    bytes
}

fn bars(version: u8) -> Vec<u8> {
    let bar = |at, open, volume| OhlcvMsg {
        hd: header::<OhlcvMsg>(0x21, at),
        open,
        high: 10_500_000_001,
        low: 9_999_999_999,
        close: UNDEF_PRICE,
        volume,
    };
    encoded(
        &metadata(version, Some(Schema::Ohlcv1M), true),
        &[bar(DAY + 60 * SECOND, 10_000_000_001, 300), bar(NEXT_DAY, 10_250_000_000, 5)],
    )
}

fn trade(at: u64, sequence: u32) -> TradeMsg {
    TradeMsg {
        hd: header::<TradeMsg>(0, at + 1),
        price: 10_000_000_001,
        size: 100,
        action: Action::Trade as i8,
        side: Side::Bid as i8,
        flags: FlagSet::empty(),
        depth: 0,
        ts_recv: at + 500,
        ts_in_delta: 7,
        sequence,
    }
}

fn load(work: &Work, store: &Store, inputs: &[&str]) -> Run {
    let flags = ["load", "--json", "--vendor", "databento", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(inputs.iter().copied()).run()
}

fn rows(store: &Store, query: &str) -> Vec<String> {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".into());
    store.rows(query).iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn bars_of_every_version_have_their_symbol_of_the_day_and_every_digit() {
    for version in [1, 2, 3] {
        for (ending, pack) in [("dbn", None), ("dbn.zst", Some(pack::zstd as pack::Pack))] {
            on_both_stores(|work, store, what| {
                let bytes = bars(version);
                let bytes = match pack {
                    // Databento writes its files in many frames.
                    Some(pack) => {
                        let (first, rest) = bytes.split_at(bytes.len() - 60);
                        [pack(first), pack(rest)].concat()
                    }
                    None => bytes,
                };
                let path = work.write(&format!("bars.{ending}"), bytes);
                let run = load(work, store, &[&path]).expect(0);
                let what = format!("{what}, {version}, {ending}: {run}");
                assert_eq!(run.json()["dataset"], "bars", "{what}");
                let columns = "symbol, timeframe, open_price, high_price, low_price, close_price, volume";
                assert_eq!(
                    rows(store, &format!("SELECT {columns} FROM bars ORDER BY ts")),
                    [
                        "AAPL 1m 10.000000001 10.500000001 9.999999999 NULL 300",
                        "MSFT 1m 10.25 10.500000001 9.999999999 NULL 5"
                    ],
                    "{what}"
                );
            });
        }
    }
}

#[test]
fn trades_are_ticks_at_the_time_of_the_exchange() {
    on_both_stores(|work, store, what| {
        let bytes = encoded(&metadata(3, Some(Schema::Trades), true), &[trade(DAY, 1), trade(NEXT_DAY, 2)]);
        let flags = ["load", "-", "--vendor", "databento", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).stdin(bytes).run().expect(0);
        assert_eq!(run.json()["dataset"], "ticks", "{what}: {run}");
        assert_eq!(
            rows(store, "SELECT symbol, price, size, side, ts_ns FROM ticks ORDER BY ts"),
            ["AAPL 10.000000001 100 B 1", "MSFT 10.000000001 100 B 1"],
            "{what}: {run}"
        );
    });
}

#[test]
fn best_bids_and_offers_are_quotes_and_a_missing_side_is_null() {
    let quote = |at, bid_px, bid_sz| Mbp1Msg {
        hd: header::<Mbp1Msg>(1, at),
        price: 11_000_000_000,
        size: 5,
        action: Action::Add as i8,
        side: Side::Ask as i8,
        flags: FlagSet::empty(),
        depth: 0,
        ts_recv: at + 900,
        ts_in_delta: 0,
        sequence: 3,
        levels: [BidAskPair { bid_px, ask_px: 11_000_000_000, bid_sz, ask_sz: 40, bid_ct: 1, ask_ct: 1 }],
    };
    let quotes = [quote(DAY + 5, 10_990_000_000, 30), quote(DAY + SECOND, UNDEF_PRICE, UNDEF_ORDER_SIZE)];
    for schema in [Schema::Mbp1, Schema::Tbbo] {
        on_both_stores(|work, store, what| {
            let path = work.write("quotes.dbn", encoded(&metadata(3, Some(schema), true), &quotes));
            let dry = load(work, store, &[&path, "--dry-run"]).expect(0);
            assert_eq!(dry.books().read, 2, "{what}: {dry}");
            let run = load(work, store, &[&path]).expect(0);
            assert_eq!(run.json()["dataset"], "quotes", "{what}: {run}");
            assert_eq!(
                rows(store, "SELECT symbol, bid, bid_size, ask, ask_size FROM quotes ORDER BY ts"),
                ["AAPL 10.99 30 11 40", "AAPL NULL NULL 11 40"],
                "{what}: {run}"
            );
        });
    }
}

/// The time of a quote of an interval is the end of that; the time of the last trade, or none, is not its own.
#[test]
fn best_bids_and_offers_of_intervals_are_quotes_at_their_end() {
    let quote = |ts_event, ts_recv, bid_px, bid_sz| BboMsg {
        hd: header::<BboMsg>(0xC4, ts_event),
        price: 11_000_000_000,
        size: 5,
        side: Side::Ask as i8,
        flags: FlagSet::empty(),
        ts_recv,
        sequence: 3,
        levels: [BidAskPair { bid_px, ask_px: 11_000_000_000, bid_sz, ask_sz: 40, bid_ct: 1, ask_ct: 1 }],
        ..BboMsg::default_for_schema(Schema::Bbo1M)
    };
    let quotes = [
        quote(DAY + 5, DAY + 60 * SECOND, 10_990_000_000, 30),
        quote(UNDEF_TIMESTAMP, DAY + 120 * SECOND, UNDEF_PRICE, UNDEF_ORDER_SIZE),
    ];
    on_both_stores(|work, store, what| {
        let path = work.write("quotes.dbn", encoded(&metadata(3, Some(Schema::Bbo1M), true), &quotes));
        let run = load(work, store, &[&path]).expect(0);
        assert_eq!(run.json()["dataset"], "quotes", "{what}: {run}");
        assert_eq!(
            rows(store, "SELECT symbol, bid, bid_size, ask, ask_size FROM quotes ORDER BY ts"),
            ["AAPL 10.99 30 11 40", "AAPL NULL NULL 11 40"],
            "{what}: {run}"
        );
        let times = rows(store, "SELECT ts FROM quotes ORDER BY ts");
        for (time, wanted) in times.iter().zip(["2024-01-02 00:01:00", "2024-01-02 00:02:00"]) {
            assert!(time.starts_with(wanted), "{what}: {times:?}");
        }
    });
}

#[test]
fn other_schemas_and_files_without_names_are_refused_in_a_sentence() {
    let work = Work::new();
    let mbo = MboMsg { hd: header::<MboMsg>(0xA0, DAY), ..MboMsg::default() };
    let path = work.write("mbo.dbn", encoded(&metadata(3, Some(Schema::Mbo), true), &[mbo]));
    let run = work.mdsctl(["load", &path]).run().expect(6);
    let words = "mbo.dbn: a DBN file of mbo, which cannot be loaded; what can be is ohlcv-1s, ohlcv-1m, ohlcv-1h, ohlcv-1d, trades, tbbo, mbp-1, bbo-1s, bbo-1m, tcbbo, cmbp-1, cbbo-1s and cbbo-1m";
    assert!(run.error().contains(words), "{run}");
    let path = work.write("mixed.dbn", encoded(&metadata(3, None, true), &[trade(DAY, 1)]));
    let run = work.mdsctl(["load", &path]).run().expect(6);
    assert!(run.error().contains("ask for one schema alone"), "{run}");
    // Nobody knows which instrument 7 is.
    let path = work.write("plain.dbn", encoded(&metadata(3, Some(Schema::Trades), false), &[trade(DAY, 1)]));
    let run = work.mdsctl(["load", &path, "--vendor", "v"]).run().expect(2);
    assert!(
        run.error().contains("no column for \"symbol\"") && run.error().contains("instrument_id"),
        "{run}"
    );
    let store = Store::sqlite(&work);
    load(&work, &store, &[&path, "--map", "symbol=instrument_id"]).expect(0);
    assert_eq!(rows(&store, "SELECT symbol FROM ticks"), ["7"]);
}

#[test]
fn a_day_without_a_name_costs_its_row_alone() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let later = NEXT_DAY + 86_400 * SECOND;
    let path = work.write(
        "trades.dbn",
        encoded(&metadata(3, Some(Schema::Trades), true), &[trade(DAY, 1), trade(later, 2)]),
    );
    let run = load(&work, &store, &[&path]).expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (1, 1), "{run}");
    assert_eq!(rows(&store, "SELECT symbol FROM ticks"), ["AAPL"]);
}

#[test]
fn a_file_that_is_cut_or_damaged_is_told_and_never_a_crash() {
    let work = Work::new();
    let whole = bars(3);
    // Behind each whole record, and within fields at many places.
    let records = [whole.len() - 112, whole.len() - 56];
    for end in (4..whole.len()).filter(|end| end % 9 < 2 || records.contains(end)) {
        let path = work.write("cut.dbn", &whole[..end]);
        let store = Store::sqlite(&work);
        let run = load(&work, &store, &[&path, "--dry-run"]);
        let whole_records = end + 56 == whole.len() || end + 112 == whole.len();
        assert_eq!(run.code, if whole_records { 0 } else { 6 }, "{end}: {run}");
        assert!(whole_records || run.error().contains("ends early"), "{end}: {run}");
    }
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xFF;
        let path = work.write("bad.dbn", bytes);
        let run = work.mdsctl(["load", &path, "--vendor", "v", "--dry-run"]).run();
        assert!([0, 2, 3, 6].contains(&run.code), "{at}: {run}");
    }
}
