//! The chunks of a hypertable, and how the rows of a batch are cut so that no statement looks into many.
//!
//! A batch in the order of symbols has rows in every chunk there is. TimescaleDB takes the time for a
//! statement that grows with the square of the chunks to plan it, and one that looks up row by row in
//! all of them asks each chunk for each row. So the rows are cut by time into slices of a few chunks,
//! each with a statement of its own that names its least and greatest time, and what a row costs
//! depends neither on the number of chunks nor on what else is in them.

use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::encode::encoder::EPOCH_SECONDS;
use crate::sink::postgres::write::merge::Span;

/// Merges after which it is looked anew which chunks there are: meanwhile some are made or compressed,
/// which makes a slice dearer than it could be, and no less right.
const LOOK_EVERY: u32 = 32;

/// What a statement costs beside its rows, in looks at one row in one chunk.
const STATEMENT: usize = 400;

/// Chunks in one slice at most.
const MOST: usize = 64;

/// Chunks in one slice at most where some are compressed, and a slice is joined at once.
const MOST_PACKED: usize = 16;

/// Slices from which the stage gets an index by time, rather than be read for each.
pub(in crate::sink::postgres) const INDEX_FROM: usize = 8;

/// A chunk: from when to before when, in microseconds since 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    start: i64,
    end: i64,
    packed: bool,
}

/// The chunks of a table as they were a moment ago.
#[derive(Debug, Default)]
pub(in crate::sink::postgres) struct Chunks {
    /// By their start.
    all: Vec<Chunk>,
    uses: u32,
}

/// Rows of a batch between two times.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) struct Slice {
    pub span: Span,
    /// Whether a chunk there is compressed.
    pub packed: bool,
}

impl Chunks {
    /// Whether it is time to read them anew.
    pub fn worn(&mut self) -> bool {
        self.uses += 1;
        self.uses > LOOK_EVERY
    }

    /// Reads them. A chunk that is not by time has no bounds, and counts everywhere.
    pub async fn read(link: &Link, table: &Table) -> Result<Self, tokio_postgres::Error> {
        let micros = |bound: &str, open: &str| {
            format!(
                "CASE WHEN pg_catalog.isfinite({bound}) THEN \
                 (pg_catalog.date_part('epoch', {bound})::numeric * 1000000)::bigint ELSE {open} END"
            )
        };
        let sql = format!(
            "SELECT {}, {}, coalesce(is_compressed, false) FROM timescaledb_information.chunks \
             WHERE hypertable_schema = {} AND hypertable_name = {}",
            micros("range_start", "NULL"),
            micros("range_end", "NULL"),
            literal(&table.schema),
            literal(&table.name)
        );
        let mut all = Vec::new();
        for row in link.client.query_typed(&sql, &[]).await? {
            let place = |micros: Option<i64>, open| {
                micros.map_or(open, |micros| micros.saturating_sub(EPOCH_SECONDS * 1_000_000))
            };
            let (start, end) = (place(row.try_get(0)?, i64::MIN), place(row.try_get(1)?, i64::MAX));
            all.push(Chunk { start, end, packed: row.try_get(2)? });
        }
        all.sort_unstable_by_key(|chunk| chunk.start);
        Ok(Self { all, uses: 0 })
    }

    /// Cuts rows of those times, in microseconds since 2000, whose span is given.
    pub fn slices(&self, mut times: Vec<i64>, span: Span) -> Vec<Slice> {
        let packed = |low: i64, high: i64| self.within(low, high).any(|chunk| chunk.packed);
        times.sort_unstable();
        let (Some(&low), Some(&high), true) = (times.first(), times.last(), span.is_of_time()) else {
            return vec![Slice { span, packed: self.all.iter().any(|chunk| chunk.packed) }];
        };
        let chunks = self.within(low, high).count();
        let most = match packed(low, high) {
            true => MOST_PACKED,
            false => most(chunks, times.len()),
        };
        let mut slices = Vec::new();
        let mut at = 0;
        while let Some(&first) = times.get(at) {
            // Up to where the last of so many chunks ends, and at least to the end of the first.
            let end = self.within(first, high).map(|chunk| chunk.end).take(most.max(1)).max();
            let end = end.unwrap_or(high.saturating_add(1)).max(first.saturating_add(1));
            let next = at + times[at..].partition_point(|time| *time < end || *time == first).max(1);
            let last = times.get(next - 1).copied().unwrap_or(first);
            slices.push(Slice { span: span.between(first, last), packed: packed(first, last) });
            at = next;
        }
        slices
    }

    /// Those that may have rows between the two times.
    fn within(&self, low: i64, high: i64) -> impl Iterator<Item = &Chunk> {
        let begun = self.all.partition_point(|chunk| chunk.start <= high);
        self.all.iter().take(begun).filter(move |chunk| chunk.end > low)
    }
}

/// Chunks in a slice for which statements and looks together cost the least.
fn most(chunks: usize, rows: usize) -> usize {
    let best = (chunks.saturating_mul(STATEMENT) / rows.max(1)).isqrt();
    best.clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(count: i64, packed: impl Fn(i64) -> bool) -> Chunks {
        let all = (0..count).map(|n| Chunk { start: n * 100, end: n * 100 + 100, packed: packed(n) });
        Chunks { all: all.collect(), uses: 0 }
    }

    fn spans(slices: &[Slice]) -> Vec<(i64, i64)> {
        slices
            .iter()
            .map(|slice| match slice.span {
                Span::Micros(low, high, _) => (low, high),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn every_row_is_in_one_slice_and_no_slice_has_many_chunks() {
        for (count, rows) in [(1, 10), (5, 1_000), (300, 16_384), (3_000, 16_384), (3_000, 10)] {
            let known = chunks(count, |_| false);
            let times: Vec<i64> = (0..rows).map(|row| row * 7919 % (count * 100)).collect();
            let high = times.iter().max().copied().unwrap_or(0);
            let slices = known.slices(times.clone(), Span::Micros(0, high, true));
            let spans = spans(&slices);
            for time in &times {
                assert_eq!(
                    spans.iter().filter(|(low, high)| (low..=high).contains(&time)).count(),
                    1,
                    "{time}"
                );
            }
            for (low, high) in &spans {
                assert!(known.within(*low, *high).count() <= MOST, "{low}..{high}");
            }
            let looked: usize = spans.iter().map(|(low, high)| known.within(*low, *high).count()).sum();
            assert!(looked <= count as usize, "each chunk is in one slice");
        }
    }

    #[test]
    fn rows_beyond_all_chunks_and_infinite_ones_have_a_slice_too() {
        let known = chunks(3, |_| false);
        let times = vec![i64::MIN, -50, 10, 250, 9_999, i64::MAX];
        let slices = known.slices(times.clone(), Span::Micros(i64::MIN, i64::MAX, true));
        let spans = spans(&slices);
        for time in times {
            assert_eq!(spans.iter().filter(|(low, high)| *low <= time && time <= *high).count(), 1, "{time}");
        }
        let none = Chunks::default().slices(vec![5, 7], Span::Micros(5, 7, true));
        assert_eq!(none.len(), 1);
    }

    #[test]
    fn few_rows_take_more_chunks_a_statement_and_many_rows_fewer() {
        assert_eq!((most(1, 16_384), most(300, 16_384), most(3_000, 16_384)), (1, 2, 8));
        assert_eq!((most(3_000, 10), most(10, 10)), (MOST, 20));
    }

    #[test]
    fn a_slice_knows_whether_it_meets_compressed_chunks() {
        let known = chunks(40, |number| number < 20);
        let slices = known.slices((0..40).map(|n| n * 100).collect(), Span::Micros(0, 3_900, true));
        let packed: Vec<bool> = slices.iter().map(|slice| slice.packed).collect();
        assert_eq!(packed, [true, true, false]);
        let unbounded = known.slices(vec![], Span::None);
        assert!(unbounded.len() == 1 && unbounded[0].packed);
    }
}
