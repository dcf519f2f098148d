//! Rows of the five datasets: one random walk a symbol, so that the order of the file does not
//! change its rows.

use std::sync::Arc;

use chrono::NaiveDate;
use clap::ValueEnum;

use super::cell::{Cell, Field, Type, date, decimal};
use super::random::Random;

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dataset {
    /// One-minute bars.
    Bars,
    /// Trades.
    Ticks,
    /// Snapshots of option chains.
    Options,
    /// Quarterly figures.
    Fundamentals,
    /// Headlines.
    News,
}

/// How the rows follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// All symbols of a minute, then the next minute.
    Time,
    /// All minutes of a symbol, then the next symbol.
    Symbol,
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the rows are.
    pub dataset: Dataset,
    /// How many.
    pub rows: u64,
    /// Of how many symbols.
    pub symbols: u64,
    /// Other seeds give other prices.
    pub seed: u64,
    /// How they follow one another.
    pub order: Order,
    /// Minutes of a trading day.
    pub session: u64,
    /// What the vendor column says.
    pub vendor: Arc<str>,
    /// Columns to leave out, by their names in the file.
    pub without: Vec<String>,
}

/// Tickers that have tripped other loaders: a dot, "not a number", a truth value.
const TICKERS: [&str; 5] = ["AAPL", "BRK.B", "NAN", "TRUE", "MSFT"];
/// Monday, 2019-01-07, in days since 1970.
const FIRST_DAY: i64 = 17_903;
/// 14:30 UTC in minutes.
const OPENING: i64 = 870;
const NS: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * NS;
const DAY: i64 = 86_400 * NS;

impl Plan {
    /// Rows of a dataset in time order, five symbols, whole trading days.
    pub fn new(dataset: Dataset, rows: u64, seed: u64) -> Self {
        Self {
            dataset,
            rows,
            symbols: 5,
            seed,
            order: Order::Time,
            session: 390,
            vendor: "acme".into(),
            without: Vec::new(),
        }
    }

    /// The columns that are written.
    pub fn fields(&self) -> Vec<Field> {
        let all = all_fields(self.dataset).iter();
        all.filter(|f| !self.without.iter().any(|name| name == f.name)).copied().collect()
    }

    /// The rows, one value a field.
    pub fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell>>> {
        let kept: Vec<bool> = all_fields(self.dataset)
            .iter()
            .map(|f| !self.without.iter().any(|name| name == f.name))
            .collect();
        let cut = move |row: Vec<Cell>| -> Vec<Cell> {
            row.into_iter().zip(&kept).filter_map(|(cell, kept)| kept.then_some(cell)).collect()
        };
        let (plan, symbols) = (self.clone(), self.symbols.max(1));
        let walk = move |symbol| Walk::new(&plan, symbol);
        let rows = self.rows;
        match self.order {
            Order::Time => {
                let mut walks: Vec<Walk> = (0..symbols.min(rows)).map(walk).collect();
                Box::new((0..rows).map(move |row| cut(walks[(row % symbols) as usize].step())))
            }
            Order::Symbol => Box::new(
                (0..symbols)
                    .flat_map(move |symbol| {
                        let steps = rows / symbols + u64::from(symbol < rows % symbols);
                        let mut walk = walk(symbol);
                        (0..steps).map(move |_| walk.step())
                    })
                    .map(cut),
            ),
        }
    }
}

const fn field(name: &'static str, column: &'static str, ty: Type) -> Field {
    Field { name, column, ty }
}

fn all_fields(dataset: Dataset) -> &'static [Field] {
    const VENDOR: Field = field("vendor", "vendor", Type::Text);
    const SYMBOL: Field = field("symbol", "symbol", Type::Text);
    match dataset {
        Dataset::Bars => {
            const {
                &[
                    field("ts", "ts", Type::Micros),
                    VENDOR,
                    SYMBOL,
                    field("timeframe", "timeframe", Type::Text),
                    field("open", "open_price", Type::Float),
                    field("high", "high_price", Type::Float),
                    field("low", "low_price", Type::Float),
                    field("close", "close_price", Type::Float),
                    field("volume", "volume", Type::Int),
                    field("vwap", "vwap", Type::Float),
                    field("trades", "trades", Type::Int),
                ]
            }
        }
        Dataset::Ticks => {
            const {
                &[
                    field("timestamp", "ts", Type::Nanos),
                    VENDOR,
                    field("ticker", "symbol", Type::Text),
                    field("trade_id", "trade_id", Type::Text),
                    field("price", "price", Type::Decimal(8)),
                    field("size", "size", Type::Float),
                    field("exchange", "exchange", Type::Text),
                    field("side", "side", Type::Text),
                    field("conditions", "conditions", Type::Text),
                ]
            }
        }
        Dataset::Options => {
            const {
                &[
                    field("ts", "ts", Type::Micros),
                    VENDOR,
                    field("underlying", "symbol", Type::Text),
                    field("expiration", "expiry", Type::Day),
                    field("right", "option_type", Type::Text),
                    field("strike", "strike", Type::Decimal(2)),
                    field("iv", "iv", Type::Float),
                    field("delta", "delta", Type::Float),
                    field("gamma", "gamma", Type::Float),
                    field("theta", "theta", Type::Float),
                    field("vega", "vega", Type::Float),
                    field("open_interest", "oi", Type::Int),
                    field("volume", "volume", Type::Int),
                    field("spot", "spot", Type::Float),
                    field("bid", "bid", Type::Float),
                    field("ask", "ask", Type::Float),
                ]
            }
        }
        Dataset::Fundamentals => {
            const {
                &[
                    field("asof", "asof", Type::Day),
                    VENDOR,
                    SYMBOL,
                    field("total_assets", "total_assets", Type::Int),
                    field("total_liabilities", "total_liabilities", Type::Int),
                    field("net_income", "net_income", Type::Decimal(2)),
                    field("eps", "eps", Type::Float),
                ]
            }
        }
        Dataset::News => {
            const {
                &[
                    field("published_at", "published_at", Type::Micros),
                    VENDOR,
                    SYMBOL,
                    field("title", "title", Type::Text),
                    field("url", "url", Type::Text),
                    field("sentiment_score", "sentiment_score", Type::Float),
                ]
            }
        }
    }
}

/// Name of the symbol of that number.
fn ticker(number: u64) -> String {
    if let Some(known) = TICKERS.get(number as usize) {
        return (*known).into();
    }
    let mut name = String::from("Q");
    let mut rest = number;
    while rest > 0 {
        name.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    name
}

/// The random walk of one symbol.
struct Walk {
    dataset: Dataset,
    session: u64,
    random: Random,
    vendor: Arc<str>,
    symbol: Arc<str>,
    number: u64,
    step: u64,
    /// In hundredths of a cent.
    price: i64,
    /// Smallest change of the price, in the same unit.
    tick: i64,
}

impl Walk {
    fn new(plan: &Plan, number: u64) -> Self {
        let mut random = Random::new(plan.seed, number * 8 + plan.dataset as u64);
        let tick = if number % 3 == 2 { 1 } else { 100 };
        let price = random.between(40_000, 4_000_000) / tick * tick;
        Self {
            dataset: plan.dataset,
            session: plan.session.max(1),
            random,
            vendor: plan.vendor.clone(),
            symbol: ticker(number).into(),
            number,
            step: 0,
            price,
            tick,
        }
    }

    /// The next row.
    fn step(&mut self) -> Vec<Cell> {
        let row = match self.dataset {
            Dataset::Bars => self.bar(),
            Dataset::Ticks => self.trade(),
            Dataset::Options => self.option(),
            Dataset::Fundamentals => self.report(),
            Dataset::News => self.headline(),
        };
        self.step += 1;
        row
    }

    /// The instant of a minute of trading, weekends left out.
    fn minute(&self, step: u64) -> i64 {
        let (day, minute) = ((step / self.session) as i64, (step % self.session) as i64);
        let day = FIRST_DAY + day / 5 * 7 + day % 5;
        day * DAY + (OPENING + minute) * MINUTE
    }

    fn vendor(&self) -> Cell {
        Cell::Text(self.vendor.clone())
    }

    fn symbol(&self) -> Cell {
        Cell::Text(self.symbol.clone())
    }

    /// Moves the price by up to that many hundred-thousandths of it.
    fn moved(&mut self, width: i64) -> i64 {
        let change = self.price * self.random.around(width) / 100_000;
        (self.price + change).max(100 * self.tick) / self.tick * self.tick
    }

    fn bar(&mut self) -> Vec<Cell> {
        let open = self.moved(30);
        self.price = open;
        let close = self.moved(120);
        let high = open.max(close) + self.random.between(0, 12) * self.tick;
        let low = open.min(close) - self.random.between(0, 12) * self.tick;
        self.price = close;
        let burst = 1_i64 << self.random.between(3, 14);
        let volume = burst * self.random.between(10, 160);
        let trades = volume / self.random.between(20, 180) + 1;
        let vwap = (high + low + open + close) * 25 + self.random.between(0, 99);
        let vwap = vwap.clamp(low * 100, high * 100);
        vec![
            Cell::Instant(self.minute(self.step)),
            self.vendor(),
            self.symbol(),
            Cell::text("1m"),
            Cell::number(open, 4),
            Cell::number(high, 4),
            Cell::number(low, 4),
            Cell::number(close, 4),
            Cell::Int(volume),
            Cell::number(vwap, 6),
            Cell::Int(trades),
        ]
    }

    fn trade(&mut self) -> Vec<Cell> {
        self.price = self.moved(20);
        // Whole shares, and for some symbols the fractions that crypto venues and brokers report.
        let size = match self.number % 3 {
            1 => Cell::number(self.random.between(1, 250_000_000), 8),
            _ => Cell::Int(self.random.between(1, 40) * 25),
        };
        let second = self.minute(self.step / 60) + (self.step % 60) as i64 * NS;
        let conditions = match self.random.between(0, 5) {
            0 => Cell::Null,
            1 => Cell::text("12,37"),
            2 => Cell::text("@ TI"),
            _ => Cell::text("@"),
        };
        vec![
            Cell::Instant(second + self.random.between(0, NS - 1)),
            self.vendor(),
            self.symbol(),
            Cell::text((71_000_000_000 + self.number * 10_000_000 + self.step).to_string()),
            Cell::number(self.price * 10_000 + self.random.between(0, 9) * self.random.between(0, 1111), 8),
            size,
            Cell::text(self.random.pick(&["XNAS", "XNYS", "ARCX", "BATS"])),
            Cell::text(self.random.pick(&["buy", "sell"])),
            conditions,
        ]
    }

    fn option(&mut self) -> Vec<Cell> {
        const CONTRACTS: u64 = 30;
        let (snapshot, contract) = (self.step / CONTRACTS, self.step % CONTRACTS);
        if contract == 0 {
            self.price = self.moved(400).max(1_000_000);
        }
        let call = contract.is_multiple_of(2);
        let month = contract / 2 % 3;
        let rung = (contract / 6) as i64 - 2;
        // Strikes stay where they are while the price walks: a chain is listed once.
        let strike = 10_000 + rung * 250 + 50 * (self.number % 7) as i64;
        let ts = self.minute(snapshot * 15);
        let expiry = (ts / DAY) as i32 / 28 * 28 + 28 + 28 * month as i32;
        let bid = self.random.between(5, 3_000);
        let nullable = |random: &mut Random, digits: i64, scale: u8| {
            if random.once_in(25) { Cell::Null } else { Cell::number(digits, scale) }
        };
        let random = &mut self.random;
        let delta = random.between(1, 999_999) * if call { 1 } else { -1 };
        let (iv, gamma) = (random.between(80_000, 1_900_000), random.between(1, 9_000_000));
        let (theta, vega) = (-random.between(1, 400_000), random.between(1, 900_000));
        vec![
            Cell::Instant(ts),
            Cell::Text(self.vendor.clone()),
            Cell::Text(self.symbol.clone()),
            Cell::Day(expiry),
            Cell::text(if call { "C" } else { "P" }),
            Cell::number(strike, 2),
            nullable(random, iv, 6),
            nullable(random, delta, 6),
            nullable(random, gamma, 8),
            nullable(random, theta, 6),
            nullable(random, vega, 6),
            Cell::Int(random.between(0, 50_000)),
            Cell::Int(random.between(0, 4_000)),
            Cell::number(self.price / 100, 2),
            Cell::number(bid, 2),
            Cell::number(bid + random.between(0, 60), 2),
        ]
    }

    fn report(&mut self) -> Vec<Cell> {
        // Ends of quarters from 2001 on.
        let (month, day) = [(3, 31), (6, 30), (9, 30), (12, 31)][(self.step % 4) as usize];
        let asof =
            NaiveDate::from_ymd_opt(2001 + (self.step / 4) as i32, month, day).expect("a quarter's end");
        let day = (asof - NaiveDate::default()).num_days();
        self.price = self.moved(900);
        let random = &mut self.random;
        let assets = self.price * random.between(9_000, 11_000);
        let income = assets / 100 * random.between(-200, 600);
        let eps =
            if random.once_in(9) { Cell::Null } else { Cell::number(random.between(-30_000, 90_000), 4) };
        vec![
            Cell::Day(day as i32),
            Cell::Text(self.vendor.clone()),
            Cell::Text(self.symbol.clone()),
            Cell::Int(assets),
            Cell::Int(assets / 100 * random.between(20, 95)),
            Cell::number(income, 2),
            eps,
        ]
    }

    fn headline(&mut self) -> Vec<Cell> {
        let at = self.minute(self.step * 7) + self.random.between(0, 60_000_000) * 1_000;
        let random = &mut self.random;
        let move_by = decimal(random.between(1, 999), 2);
        let verb = random.pick(&["rises", "falls", "is unchanged after moving"]);
        let what = random.pick(&["earnings, guidance", "a \"surprise\" filing", "Zürich talks – §13"]);
        let tail = if random.once_in(40) { "\nUpdated" } else { "" };
        let title = format!("{} {verb} {move_by}% on {what}{tail}", self.symbol);
        let url = format!(
            "https://news.example/{}/{}/{}",
            date((at / DAY) as i32).format("%Y/%m/%d"),
            self.number,
            self.step
        );
        let symbol = if random.once_in(10) { Cell::Null } else { Cell::Text(self.symbol.clone()) };
        let score =
            if random.once_in(12) { Cell::Null } else { Cell::number(random.between(-10_000, 10_000), 4) };
        vec![
            Cell::Instant(at),
            Cell::Text(self.vendor.clone()),
            symbol,
            Cell::text(title),
            Cell::text(url),
            score,
        ]
    }
}
