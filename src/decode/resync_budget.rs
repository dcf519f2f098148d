//! How far a row may run over line ends before its first line is taken for broken.

/// Bytes over which a row may spread over several lines, whatever these look like.
pub(super) const NEAR: usize = 1 << 20;

/// Keeps reading linear in the input.
///
/// A row that does not close costs its first line only, so all that was read in search of its end
/// is read again from the next line on. An input of nothing but such rows would be read a million
/// times over; where 16 bytes were read in vain for each byte of the input, a row has to close on its line.
/// Rows that are longer than [`NEAR`] have a share of their own: as much again as the input has.
/// What this decides depends on the bytes before a row alone, never on how they were cut in chunks.
#[derive(Debug, Default)]
pub(super) struct ResyncBudget {
    wasted: u64,
    /// Of that, the bytes behind the first [`NEAR`] ones of a row.
    far: u64,
    used: u64,
}

impl ResyncBudget {
    /// How far the row at hand may run over line ends.
    pub(super) fn reach(&self) -> usize {
        if self.wasted > 16 * self.used + (16 << 20) { 0 } else { NEAR }
    }

    /// Whether it may run on from there to the longest that a row may be.
    pub(super) fn reaches_far(&self) -> bool {
        self.reach() == NEAR && self.far <= self.used
    }

    /// Whether nothing was read in vain so far.
    pub(super) fn is_whole(&self) -> bool {
        self.wasted == 0
    }

    /// A row was settled with so many bytes.
    pub(super) fn used(&mut self, bytes: usize) {
        self.used += bytes as u64;
    }

    /// So many bytes were read to find the end of a row, in vain.
    pub(super) fn wasted(&mut self, bytes: usize) {
        self.wasted += bytes.min(NEAR) as u64;
        self.far += bytes.saturating_sub(NEAR) as u64;
    }
}
