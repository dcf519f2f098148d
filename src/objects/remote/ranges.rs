//! An object that is read here and there: in pieces that are known beforehand, fetched ahead of their reading, of
//! which no more are held than there is room for.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::Object;
use super::wait::{runtime, wait};
use crate::error::{Error, Result};
use crate::objects::Fault;

/// Bytes of pieces that are held, together.
const ROOM: u64 = 64 << 20;

/// Bytes of a piece at most, and at least where the part that it is of has as many.
const PIECE: Range<u64> = 256 << 10..8 << 20;

/// Bytes between two parts that are fetched with them rather than asked around.
const GAP: u64 = 64 << 10;

/// Bytes that are asked for at least where nothing was planned.
const LEAST: u64 = 64 << 10;

/// How often the stop is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// An object that is read here and there.
pub struct Ranges {
    object: Object,
    stopped: Box<dyn Fn() -> bool + Send + Sync>,
    plan: Mutex<Arc<Plan>>,
    held: Arc<Held>,
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ranges({:?})", self.object)
    }
}

/// A piece, and the one that is wanted after it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    bytes: Range<u64>,
    next: Option<usize>,
}

/// The pieces that will be read, by their places.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan(Vec<Piece>);

#[derive(Default)]
struct Held {
    pieces: Mutex<Pieces>,
    came: Condvar,
}

#[derive(Default)]
struct Pieces {
    /// By where they begin; `None` while one is on its way. With when it was read last.
    all: HashMap<u64, (Option<Result<Bytes>>, u64)>,
    reads: u64,
}

impl Plan {
    /// Of groups of parts, of which one is read after the other; the parts of a group are read side by side.
    fn of(groups: &[Vec<Range<u64>>]) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        // What the last pieces of the group before lead to.
        let mut ends: Vec<usize> = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let is_first = at == 0;
            let bytes: u64 = group.iter().map(|part| part.end - part.start).sum();
            let mut parts = group.clone();
            parts.sort_by_key(|part| part.start);
            // Small ones come together; of large ones each has a window that moves through it.
            let together = bytes <= PIECE.end;
            let mut joined: Vec<Range<u64>> = Vec::new();
            for part in parts {
                match joined.last_mut() {
                    Some(last) if part.start < last.end || together && part.start - last.end <= GAP => {
                        last.end = last.end.max(part.end);
                    }
                    _ => joined.push(part),
                }
            }
            let size = (ROOM / (3 * joined.len().max(1) as u64)).clamp(PIECE.start, PIECE.end);
            let (mut begins, mut last) = (Vec::new(), Vec::new());
            for part in joined {
                let mut at = part.start;
                begins.push(pieces.len());
                // It may be the first rows alone that are looked at.
                let mut now = if is_first && !together { size.min(PIECE.start) } else { size };
                while at < part.end {
                    let end = part.end.min(at + now);
                    now = size.min(now * 2);
                    let next = (end < part.end).then_some(pieces.len() + 1);
                    pieces.push(Piece { bytes: at..end, next });
                    at = end;
                }
                last.push(pieces.len() - 1);
            }
            for (end, begin) in ends.iter().zip(begins.iter().cycle()) {
                pieces[*end].next = Some(*begin);
            }
            ends = last;
        }
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|at| pieces[*at].bytes.start);
        let mut places = vec![0; pieces.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at] = place;
        }
        let moved =
            |at: &usize| Piece { next: pieces[*at].next.map(|next| places[next]), ..pieces[*at].clone() };
        Self(order.iter().map(moved).collect())
    }

    /// The pieces that a part lies in.
    fn over(&self, part: &Range<u64>) -> impl Iterator<Item = &Piece> {
        let first = self.0.partition_point(|piece| piece.bytes.end <= part.start);
        self.0.iter().skip(first).take_while(|piece| piece.bytes.start < part.end)
    }

    /// The piece that a byte is in.
    fn at(&self, byte: u64) -> Option<&Piece> {
        let behind = self.0.partition_point(|piece| piece.bytes.start <= byte);
        self.0.get(behind.checked_sub(1)?).filter(|piece| piece.bytes.end > byte)
    }
}

impl Ranges {
    pub(super) fn new(object: Object, stopped: Box<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { object, stopped, plan: Mutex::default(), held: Arc::default() }
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.object.bytes()
    }

    /// What will be read: groups of parts, one group after the other, the parts of each side by side.
    pub fn plan(&self, groups: &[Vec<Range<u64>>]) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Plan::of(groups));
    }

    /// The bytes of a part that lies within the object.
    ///
    /// # Errors
    /// A [`Fault`] with what is wrong, or that the wait was given up.
    pub fn read(&self, part: Range<u64>) -> io::Result<Bytes> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut at, mut all) = (part.start, BytesMut::new());
        plan.over(&part).for_each(|piece| self.begin(&piece.bytes));
        while at < part.end {
            let piece = match plan.at(at) {
                Some(piece) => {
                    self.begin(&piece.bytes);
                    // Of what is left early no more is fetched.
                    let is_half_read =
                        part.end.saturating_sub(piece.bytes.start) * 2 >= piece.bytes.end - piece.bytes.start;
                    if let Some(next) = piece.next.and_then(|next| plan.0.get(next)).filter(|_| is_half_read)
                    {
                        self.begin(&next.bytes);
                    }
                    let bytes = self.arrived(&piece.bytes)?;
                    bytes.slice(usize::try_from(at - piece.bytes.start).unwrap_or(0)..)
                }
                None => self.unplanned(at..part.end)?,
            };
            let wanted = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(piece.len());
            if wanted == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let piece = piece.slice(..wanted);
            at += wanted as u64;
            if at == part.end && all.is_empty() {
                return Ok(piece);
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// What lies in no piece: it is held as one, since what is next to it may be asked for next.
    fn unplanned(&self, part: Range<u64>) -> io::Result<Bytes> {
        let begins = part.start.min(self.bytes());
        let held = self.held.pieces.lock().unwrap_or_else(PoisonError::into_inner).covering(begins..part.end);
        if let Some(bytes) = held {
            return Ok(bytes);
        }
        let end = part.end.max(begins + LEAST).min(self.bytes());
        // At the end what stands before is asked for with it: there the footer is.
        let from = if end == self.bytes() { begins.min(end.saturating_sub(LEAST)) } else { begins };
        let object = self.object.clone();
        let bytes = wait(&*self.stopped, async move { object.fetch(from..end).await });
        let bytes = bytes.ok_or_else(|| self.given_up())?.map_err(Fault)?;
        let mut pieces = self.held.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let read = pieces.reads;
        pieces.all.insert(from, (Some(Ok(bytes.clone())), read));
        Ok(bytes.slice(usize::try_from(begins - from).unwrap_or(0)..))
    }

    /// Has a piece fetched that is neither there nor on its way.
    fn begin(&self, piece: &Range<u64>) {
        let mut pieces = self.held.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = |bytes: &Option<Result<Bytes>>| match bytes {
            Some(Ok(bytes)) => bytes.len() as u64 >= piece.end - piece.start,
            _ => true,
        };
        if pieces.all.get(&piece.start).is_some_and(|(bytes, _)| is_whole(bytes))
            || pieces.covering(piece.clone()).is_some()
        {
            return;
        }
        pieces.make_room(piece.end - piece.start);
        let read = pieces.reads;
        pieces.all.insert(piece.start, (None, read));
        drop(pieces);
        let (object, piece, held) = (self.object.clone(), piece.clone(), self.held.clone());
        if let Some(runtime) = runtime() {
            runtime.spawn(async move {
                let bytes = object.fetch(piece.clone()).await;
                let mut pieces = held.pieces.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(place) = pieces.all.get_mut(&piece.start) {
                    place.0 = Some(bytes);
                }
                held.came.notify_all();
            });
        }
    }

    /// Waits for a piece.
    fn arrived(&self, piece: &Range<u64>) -> io::Result<Bytes> {
        let mut pieces = self.held.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.reads += 1;
        let read = pieces.reads;
        loop {
            match pieces.all.get_mut(&piece.start) {
                Some((Some(bytes), last)) => {
                    *last = read;
                    return Ok(bytes.clone().map_err(Fault)?);
                }
                Some((None, last)) => *last = read,
                // It is in one that was fetched by another plan, or had to make room.
                None => {
                    if let Some(bytes) = pieces.covering(piece.clone()) {
                        return Ok(bytes);
                    }
                    drop(pieces);
                    let (object, piece) = (self.object.clone(), piece.clone());
                    let bytes = wait(&*self.stopped, async move { object.fetch(piece).await });
                    return Ok(bytes.ok_or_else(|| self.given_up())?.map_err(Fault)?);
                }
            }
            if (self.stopped)() {
                return Err(self.given_up());
            }
            pieces = self.held.came.wait_timeout(pieces, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn given_up(&self) -> io::Error {
        let name = self.object.name();
        Fault(Error::input(format!("{name}: stopped before it had been read"))).into()
    }
}

impl Pieces {
    /// The bytes from the beginning of that part on, out of one that has all of it and is there.
    fn covering(&self, part: Range<u64>) -> Option<Bytes> {
        self.all.iter().find_map(|(start, (bytes, _))| {
            let bytes = bytes.as_ref()?.as_ref().ok()?;
            let end = start + bytes.len() as u64;
            let from = usize::try_from(part.start.checked_sub(*start)?).ok()?;
            (part.end <= end).then(|| bytes.slice(from..))
        })
    }

    /// Lets go of those that were read the longest ago, until so many bytes have room.
    fn make_room(&mut self, more: u64) {
        let size = |bytes: &Option<Result<Bytes>>| match bytes {
            Some(Ok(bytes)) => bytes.len() as u64,
            _ => 0,
        };
        let mut all: u64 = self.all.values().map(|(bytes, _)| size(bytes)).sum();
        while all + more > ROOM {
            let oldest =
                self.all.iter().filter(|(_, (bytes, _))| size(bytes) > 0).min_by_key(|(_, (_, read))| *read);
            let Some((start, bytes)) = oldest.map(|(start, (bytes, _))| (*start, size(bytes))) else {
                return;
            };
            self.all.remove(&start);
            all -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn shown(plan: &Plan) -> Vec<(u64, u64, Option<usize>)> {
        plan.0.iter().map(|piece| (piece.bytes.start, piece.bytes.end, piece.next)).collect()
    }

    #[test]
    fn small_groups_are_fetched_whole_and_one_after_the_other() {
        let plan = Plan::of(&[vec![4..10, 10..20], vec![20..30, 40..50]]);
        assert_eq!(shown(&plan), [(4, 20, Some(1)), (20, 50, None)]);
        assert_eq!(plan.at(19).map(|piece| piece.bytes.start), Some(4));
        assert_eq!((plan.at(3), plan.at(50)), (None, None));
        // What lies far apart is not fetched together.
        let plan = Plan::of(&[vec![0..10, MIB..MIB + 10]]);
        assert_eq!(plan.0.len(), 2);
    }

    #[test]
    fn of_large_groups_each_column_has_a_window_that_moves_through_it() {
        let plan =
            Plan::of(&[vec![0..20 * MIB, 20 * MIB..21 * MIB], vec![21 * MIB..41 * MIB, 41 * MIB..42 * MIB]]);
        let shown = shown(&plan);
        let starts = |from: u64, to: u64| -> Vec<u64> {
            shown.iter().map(|piece| piece.0).filter(|start| (from..to).contains(start)).collect()
        };
        // The first pieces of all are small: the beginning may be all that is looked at.
        let k = MIB / 4;
        assert_eq!(starts(0, 20 * MIB), [0, k, 3 * k, 7 * k, 15 * k, 31 * k, 63 * k]);
        assert_eq!(starts(20 * MIB, 21 * MIB), [20 * MIB, 20 * MIB + k, 20 * MIB + 3 * k]);
        let size = 8 * MIB;
        assert_eq!(starts(21 * MIB, 41 * MIB), [21 * MIB, 21 * MIB + size, 21 * MIB + 2 * size]);
        assert_eq!(starts(41 * MIB, 42 * MIB), [41 * MIB]);
        // Each leads to the next one of its column, the last to that of the next group.
        for (start, end, next) in &shown {
            let next = next.map(|next| shown[next].0);
            let expected = match *end {
                e if e == 20 * MIB => Some(21 * MIB),
                e if e == 21 * MIB && *start < e => Some(41 * MIB),
                e if e == 41 * MIB || e == 42 * MIB => None,
                e => Some(e),
            };
            assert_eq!(next, expected, "behind {start}");
        }
    }

    #[test]
    fn a_part_is_had_from_what_another_plan_has_fetched() {
        let plan = Plan::of(&[vec![0..10, 10..20], vec![MIB..2 * MIB, 2 * MIB..3 * MIB]]);
        assert_eq!(plan.over(&(5..MIB + 1)).map(|piece| piece.bytes.start).collect::<Vec<_>>(), [0, MIB]);
        assert_eq!(plan.over(&(20..MIB)).count(), 0);
        let mut pieces = Pieces::default();
        pieces.all.insert(4, (Some(Ok(Bytes::from_static(b"abcdef"))), 0));
        pieces.all.insert(20, (None, 0));
        assert_eq!(pieces.covering(6..10).as_deref(), Some(&b"cdef"[..]));
        assert_eq!(
            (pieces.covering(6..11), pieces.covering(3..5), pieces.covering(20..21)),
            (None, None, None)
        );
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let mut pieces = Pieces::default();
        for at in 0..10 {
            pieces.make_room(8 * MIB);
            let bytes = Bytes::from(vec![0; 8 << 20]);
            pieces.all.insert(at, (Some(Ok(bytes)), at));
        }
        let mut kept: Vec<u64> = pieces.all.keys().copied().collect();
        kept.sort_unstable();
        assert_eq!(kept, [2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
