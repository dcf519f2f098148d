//! Numbers that look random and depend on the seed alone (SplitMix64).

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of that seed; streams of different `stream` numbers do not resemble one another.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed);
        let seed = random.next();
        random.0 = seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        random.next();
        random
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    /// One of the things given.
    pub fn pick<'a, A: ?Sized>(&mut self, of: &[&'a A]) -> &'a A {
        of[(self.next() % of.len() as u64) as usize]
    }

    /// A number around zero, between `-width` and `width`, small ones more often.
    pub fn around(&mut self, width: i64) -> i64 {
        (self.between(-width, width) + self.between(-width, width)) / 2
    }
}
