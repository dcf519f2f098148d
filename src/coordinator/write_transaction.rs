//! The rows that one worker is settling in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::batch::{Batch, Identity, Order, Pick, Reason, Replayable, Rows};
use crate::coordinator::account::Account;
use crate::coordinator::hold::depends_on_others;
use crate::coordinator::lanes::{Portion, SLOTS, slot_of};
use crate::port::{CommitMark, Written};
use crate::settings::{EngineSettings, OnConflict};

/// Places by identity: scratch space that a worker keeps from flight to flight.
///
/// A table with open addressing. An entry is 32 bits of the identity's hash and a place, so that
/// looking a row up touches one cache line, and the identity itself only where the row is known.
#[derive(Debug, Default)]
pub struct ByIdentity {
    /// Hash in the upper half, place + 1 in the lower; zero is free.
    entries: Vec<u64>,
    mask: usize,
}

impl ByIdentity {
    /// Empties it, and makes room for so many identities.
    fn clear(&mut self, identities: usize) {
        let room = (identities.max(8) * 2).next_power_of_two();
        self.entries.clear();
        self.entries.resize(room, 0);
        self.mask = room - 1;
    }

    /// The place of an identity, or `None` and from now on `place`. `same` tells whether the row at a
    /// place is of this identity.
    fn place_of(&mut self, identity: Identity, place: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        let mixed =
            ((identity >> 64) as u64 ^ (identity as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (hash, mut at) = (mixed >> 32, mixed as usize ^ (mixed >> 40) as usize);
        loop {
            let entry = &mut self.entries[at & self.mask];
            if *entry == 0 {
                *entry = (hash << 32) | (u64::from(place) + 1);
                return None;
            }
            if *entry >> 32 == hash {
                let known = *entry as u32 - 1;
                if same(known) {
                    return Some(known);
                }
            }
            at += 1;
        }
    }
}

/// Which of the rows of one identity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wins {
    /// The last: it would have replaced those before it.
    Last,
    /// The first: it would have stayed.
    First,
}

impl Wins {
    /// What the settings say.
    pub fn of(settings: &EngineSettings) -> Self {
        match settings.on_conflict {
            OnConflict::Update if !settings.first_wins => Self::Last,
            OnConflict::Update | OnConflict::Skip | OnConflict::Error => Self::First,
        }
    }
}

/// Attempts in a row that lose the session over the same rows, after which these are divided.
pub const LOSSES_TO_DIVIDE: u32 = 3;

/// Attempts that lose it over a single row, while others go through, after which the row is condemned.
const LOSSES_TO_CONDEMN: u32 = 8;

/// A claim of rows, from the queue until it is settled.
#[derive(Debug)]
pub struct WriteTransaction {
    /// The batches.
    pub parts: Vec<Arc<Batch>>,
    /// The rows to write: of each identity the last that has not been condemned, or the first where
    /// that one wins.
    pub winners: Vec<Pick>,
    /// Rows superseded by another of the same identity, each with the place of that in
    /// `winners`, the next to take its place last. If that is condemned, the next is written after
    /// all.
    replaced: Vec<(u32, Pick)>,
    /// The rows of `replaced` by the place in `winners` that each would take, the next one last. Filled when
    /// the first row is condemned; `replaced` is empty from then on.
    older: HashMap<u32, Vec<Pick>>,
    /// Rows condemned, with the reason; not in `winners` any more.
    pub condemned: Vec<(Pick, Arc<Reason>)>,
    /// Places of `winners` that hold a condemned row with nothing to replace it, until
    /// [`WriteTransaction::compact`]: places stay where they are while rows are isolated.
    gone: Vec<usize>,
    /// Whether the order of all rows counts. Then none supersedes another: each is written.
    pub order: Order,
    /// Rows refused for other rows, to be tried once more after later ones.
    pub held: Vec<(Pick, Arc<Reason>)>,
    /// How many may be.
    pub room: usize,
    /// Ordinal of the first row before these that is held, which the transaction does not settle, nor
    /// any after it.
    pub floor: Option<u64>,
    /// Last ordinal of the first slot that the transaction would settle otherwise.
    pub reach: u64,
    /// Whether what is refused is dead, since it was tried once more.
    pub last: bool,
    /// Rows held that later ones of their key have replaced meanwhile.
    pub overtaken: u64,
    /// How many of `condemned` are in the dead-letter queue.
    pub buried: usize,
    /// Rows claimed.
    pub rows: usize,
    /// Bytes claimed.
    pub bytes: usize,
    /// What is acknowledged once it is settled.
    pub account: Account,
    /// What the transaction settles.
    pub mark: CommitMark,
    /// Whether a commit was begun of which no answer came, and what it would have written.
    pub in_doubt: Option<Written>,
    /// Attempts so far.
    pub attempts: u32,
    /// How often the rows have been halved since a statement took too long; the transaction then
    /// writes so many pieces, one statement each.
    pub split: u32,
    /// Whether rows are being written, so that a panic may be theirs.
    pub writing: bool,
    /// Attempts in which the writer panicked over the rows.
    pub panics: u32,
    /// Attempts in a row that lost the session while the rows were written, and what was said last.
    pub losses: u32,
    lost_by: Option<Reason>,
    /// Whether another row went through directly before this attempt at one that lost its session.
    pub witnessed: bool,
    /// Whether to expect rows that the store refuses.
    pub expect_rejects: bool,
    /// Whether the store refused rows.
    pub refused_by_store: bool,
}

impl WriteTransaction {
    /// The flight of some portions of one shape. `seen` is scratch space.
    pub fn new(portions: Vec<Portion>, serial: u64, wins: Wins, seen: &mut ByIdentity) -> Self {
        let rows: usize = portions.iter().map(|p| p.rows.len()).sum();
        let bytes = portions.iter().map(Portion::bytes).sum();
        let mut flight = Self {
            parts: Vec::with_capacity(portions.len()),
            winners: Vec::with_capacity(rows),
            replaced: Vec::new(),
            older: HashMap::new(),
            condemned: Vec::new(),
            gone: Vec::new(),
            order: portions.first().map_or(Order::Any, |portion| portion.batch.order),
            held: Vec::new(),
            room: 0,
            floor: None,
            reach: 0,
            last: false,
            overtaken: 0,
            buried: 0,
            rows,
            bytes,
            account: Account::default(),
            mark: CommitMark { serial, slots: Vec::new() },
            in_doubt: None,
            attempts: 0,
            split: 0,
            writing: false,
            panics: 0,
            losses: 0,
            lost_by: None,
            witnessed: false,
            expect_rejects: false,
            refused_by_store: false,
        };
        seen.clear(rows);
        let mut last = [0u64; SLOTS];
        for portion in portions {
            let part = flight.parts.len() as u32;
            let batch = portion.batch;
            flight.account.add(&batch.origin.open, portion.rows.len() as u64);
            flight.parts.push(batch.clone());
            for &row in &portion.rows {
                let (index, identity) = (row as usize, batch.identities[row as usize]);
                let slot = usize::from(slot_of(identity));
                last[slot] = last[slot].max(batch.ordinal(index));
                let pick = Pick { part, row };
                if flight.order != Order::Any {
                    flight.winners.push(pick);
                    continue;
                }
                let (parts, winners) = (&flight.parts, &flight.winners);
                let same = |place: u32| {
                    let other = winners[place as usize];
                    parts[other.part as usize].identities[other.row as usize] == identity
                };
                match seen.place_of(identity, winners.len() as u32, same) {
                    None => flight.winners.push(pick),
                    Some(at) if wins == Wins::Last => {
                        let before = std::mem::replace(&mut flight.winners[at as usize], pick);
                        flight.replaced.push((at, before));
                    }
                    Some(at) => flight.replaced.push((at, pick)),
                }
            }
        }
        if wins == Wins::First {
            flight.replaced.reverse();
        }
        flight.mark.slots = (0..SLOTS as u16)
            .filter(|s| last[usize::from(*s)] > 0)
            .map(|s| (s, last[usize::from(s)]))
            .collect();
        flight.reach = last[0];
        flight
    }

    /// All rows to write.
    pub fn to_write(&self) -> Rows<'_> {
        Rows { parts: &self.parts, picks: &self.winners }
    }

    /// Condemns the row at that place of `winners`. Where it went before another one, that takes its
    /// place and is to be written: `true`.
    pub fn reject(&mut self, place: usize, reason: Arc<Reason>) -> bool {
        for (place, pick) in self.replaced.drain(..) {
            self.older.entry(place).or_default().push(pick);
        }
        self.condemned.push((self.winners[place], reason));
        match self.older.get_mut(&(place as u32)).and_then(Vec::pop) {
            Some(before) => {
                self.winners[place] = before;
                true
            }
            None => {
                self.gone.push(place);
                false
            }
        }
    }

    /// Takes the condemned rows out of `winners`. Whatever ended the last attempt, a panic of the
    /// writer among it, this makes the flight ready for the next.
    pub fn compact(&mut self) {
        if self.gone.is_empty() {
            return;
        }
        self.gone.sort_unstable();
        let mut gone = std::mem::take(&mut self.gone).into_iter().peekable();
        let mut older = std::mem::take(&mut self.older);
        let mut kept = Vec::with_capacity(self.winners.len());
        for (place, pick) in self.winners.iter().enumerate() {
            if gone.next_if_eq(&place).is_some() {
                continue;
            }
            if let Some(chain) = older.remove(&(place as u32)) {
                self.older.insert(kept.len() as u32, chain);
            }
            kept.push(*pick);
        }
        self.winners = kept;
    }

    /// Rejects the rows that others of their identity supersede, which are written.
    pub fn condemn_replaced(&mut self, reason: &Arc<Reason>) {
        let mut all: Vec<Pick> = self.replaced.drain(..).map(|(_, pick)| pick).collect();
        all.extend(self.older.drain().flat_map(|(_, chain)| chain));
        all.sort_unstable_by_key(|pick| (pick.part, pick.row));
        self.condemned.extend(all.into_iter().map(|pick| (pick, reason.clone())));
    }

    /// Notes that the session was lost while the rows were written; how many they are. Of a single one it
    /// counts where another went through.
    pub fn lose(&mut self, reason: &Reason) -> usize {
        self.compact();
        let rows = self.winners.len();
        if rows != 1 || self.witnessed || self.losses == 0 {
            self.losses += 1;
        }
        self.lost_by = Some(reason.clone());
        rows
    }

    /// Whether there is but one row, over which the session was lost.
    pub fn is_suspect(&self) -> bool {
        self.losses > 0 && self.winners.len() == 1
    }

    /// A row of the same batch beside that one, another one each time; none where there is none.
    pub fn another(&self, time: usize) -> Option<Pick> {
        let own = self.winners.first()?;
        let rows = self.parts.get(own.part as usize)?.rows.len();
        let others = rows.checked_sub(1).filter(|others| *others > 0)?;
        // Neighbours often are of a kind: the first looked at lie far apart.
        let beside = 1 + (others / 2 + time * (others / 5 + 1) + time / others) % others;
        Some(Pick { part: own.part, row: ((own.row as usize + beside) % rows) as u32 })
    }

    /// Condemns the one row where it has lost the session often enough.
    pub fn condemn_suspect(&mut self) {
        if self.losses < LOSSES_TO_CONDEMN {
            return;
        }
        if let Some(lost) = self.lost_by.take() {
            let message = format!(
                "each time that this row is written the session is lost, and with other rows it is not: {}",
                lost.message
            );
            self.reject(0, Arc::new(Reason { message: message.into(), ..lost }));
            self.losses = 0;
            self.compact();
        }
    }

    /// Divides what is not settled in two flights with the next serials, the earlier rows first; `Err`
    /// where there is but one row.
    pub fn divide(
        mut self,
        serial: &mut u64,
        wins: Wins,
        seen: &mut ByIdentity,
    ) -> Result<[Self; 2], Box<Self>> {
        self.compact();
        let fresh = self.condemned.get(self.buried..).unwrap_or_default();
        let refused = fresh.iter().chain(&self.held).map(|(pick, _)| *pick);
        let mut picks: Vec<Pick> = self.unsettled().chain(refused).collect();
        if picks.len() < 2 {
            return Err(Box::new(self));
        }
        picks.sort_unstable_by_key(|pick| (pick.part, pick.row));
        let (rows, bytes) = (self.rows - picks.len(), self.bytes);
        let row_bytes = bytes / self.rows.max(1);
        let mut settled = std::mem::take(&mut self.account);
        picks.iter().for_each(|pick| settled.take(pick.part));
        let later = picks.split_off(picks.len() / 2);
        let mut flight = |picks: &[Pick]| {
            let portions = picks.chunk_by(|a, b| a.part == b.part).filter_map(|run| {
                let batch = self.parts.get(run.first()?.part as usize)?.clone();
                let rows = run.iter().map(|pick| pick.row).collect();
                Some(Portion { batch, rows, sequence: 0, since: Instant::now(), row_bytes })
            });
            *serial += 1;
            Self::new(portions.collect(), *serial, wins, seen)
        };
        let (mut first, mut second) = (flight(&picks), flight(&later));
        if self.order != Order::Any {
            (first.reach, second.reach) = (self.reach, self.reach);
        }
        for flight in [&mut first, &mut second] {
            (flight.room, flight.floor) = (self.room, self.floor);
            // What is suspected of all of them is suspected of each half.
            flight.losses = self.losses.min(LOSSES_TO_DIVIDE - 1);
        }
        first.floor = first.floor.into_iter().chain(second.lowest()).min();
        // What is settled already counts with the first.
        first.rows += rows;
        first.account.join(settled);
        first.bytes = bytes.saturating_sub(second.bytes);
        Ok([first, second])
    }

    /// Lowest ordinal of the rows that are not settled.
    pub fn lowest(&self) -> Option<u64> {
        let fresh = self.condemned.get(self.buried..).unwrap_or_default().iter().chain(&self.held);
        let picks = self.winners.iter().chain(fresh.map(|(pick, _)| pick));
        picks.map(|pick| self.parts[pick.part as usize].ordinal(pick.row as usize)).min()
    }

    /// Holds the rows back that were refused for other rows, as far as there is room.
    pub fn hold(&mut self) {
        if self.order != Order::Again || self.last {
            return;
        }
        for (pick, reason) in self.condemned.split_off(self.buried.min(self.condemned.len())) {
            if depends_on_others(&reason) && self.held.len() < self.room {
                self.held.push((pick, reason));
            } else {
                self.condemned.push((pick, reason));
            }
        }
        self.held.sort_unstable_by_key(|(pick, _)| (pick.part, pick.row));
    }

    /// Takes the rows to be written for ones that were refused for these reasons: to be held, or else
    /// condemned at last.
    pub fn refuse_all(&mut self, reasons: Vec<Arc<Reason>>, held: bool) {
        let refused = std::mem::take(&mut self.winners).into_iter().zip(reasons);
        if held {
            self.held.extend(refused);
        } else {
            self.condemned.extend(refused);
            self.last = true;
        }
    }

    /// Has the mark end before the first row that is held.
    pub fn set_mark(&mut self) {
        let ordinal = |pick: &Pick| self.parts[pick.part as usize].ordinal(pick.row as usize);
        let floor = self.held.iter().map(|(pick, _)| ordinal(pick)).chain(self.floor).min();
        let reach = floor.map_or(self.reach, |floor| self.reach.min(floor.saturating_sub(1)));
        if let Some((0, last)) = self.mark.slots.first_mut() {
            *last = reach;
        }
    }

    /// Has the mark end there at the latest, by slot.
    pub fn end_mark(&mut self, end: impl Fn(u16) -> u64) {
        for (slot, last) in &mut self.mark.slots {
            *last = end(*slot).min(*last);
        }
    }

    /// Whether none of its rows can be read again.
    pub fn is_of_pipes(&self) -> bool {
        self.parts.iter().all(|part| matches!(part.origin.replayable, Replayable::Never))
    }

    /// Rows superseded by another.
    pub fn superseded(&self) -> u64 {
        self.replaced.len() as u64 + self.older.values().map(|chain| chain.len() as u64).sum::<u64>()
    }

    /// All rows that are neither condemned nor buried, superseded ones included.
    pub fn unsettled(&self) -> impl Iterator<Item = Pick> + '_ {
        let replaced = self.replaced.iter().map(|(_, pick)| *pick);
        self.winners.iter().copied().chain(replaced).chain(self.older.values().flatten().copied())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch, RecordBatchOptions};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::batch::{Dependence, Origin};

    fn portion(identities: &[u128]) -> Portion {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        let values = Int64Array::from_iter_values(0..identities.len() as i64);
        let options = RecordBatchOptions::new();
        let batch = Batch {
            columns: RecordBatch::try_new_with_options(schema, vec![Arc::new(values)], &options).unwrap(),
            rows: (1..=identities.len() as u64).collect(),
            identities: identities.to_vec(),
            origin: Arc::new(Origin::new("test")),
            order: Order::Any,
            given: None,
        };
        Portion {
            rows: (0..identities.len() as u32).collect(),
            batch: Arc::new(batch),
            sequence: 1,
            since: Instant::now(),
            row_bytes: 8,
        }
    }

    fn rows(flight: &WriteTransaction) -> Vec<u32> {
        flight.winners.iter().map(|p| p.row).collect()
    }

    #[test]
    fn the_last_row_of_an_identity_wins_and_the_one_before_it_may_come_back() {
        let mut flight =
            WriteTransaction::new(vec![portion(&[7, 8, 7, 7, 9])], 1, Wins::Last, &mut ByIdentity::default());
        assert_eq!(rows(&flight), [3, 1, 4]);
        assert_eq!(flight.superseded(), 2);
        let reason = Arc::new(Reason::new("x", "x"));
        assert!(flight.reject(0, reason.clone()));
        assert_eq!(rows(&flight), [2, 1, 4]);
        assert_eq!(flight.superseded(), 1);
        assert!(!flight.reject(1, reason));
        flight.compact();
        assert_eq!(rows(&flight), [2, 4]);
        assert_eq!(flight.superseded() as usize + flight.winners.len() + flight.condemned.len(), flight.rows);
    }

    #[test]
    fn where_the_first_row_wins_the_next_may_take_its_place() {
        let mut flight =
            WriteTransaction::new(vec![portion(&[7, 8, 7, 7])], 1, Wins::First, &mut ByIdentity::default());
        assert_eq!((rows(&flight), flight.superseded()), (vec![0, 1], 2));
        let reason = Arc::new(Reason::new("x", "x"));
        assert!(flight.reject(0, reason.clone()));
        assert_eq!(rows(&flight), [2, 1]);
        flight.condemn_replaced(&reason);
        assert_eq!(flight.condemned.iter().map(|(pick, _)| pick.row).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(flight.superseded(), 0);
    }

    #[test]
    fn a_flight_that_is_divided_keeps_its_rows_in_order() {
        let mut seen = ByIdentity::default();
        let mut flight = WriteTransaction::new(vec![portion(&[7, 8, 7, 9, 10])], 3, Wins::Last, &mut seen);
        let reason = Arc::new(Reason::new("x", "x"));
        flight.reject(1, reason);
        flight.buried = 1;
        let mut serial = 3;
        let [first, second] = flight.divide(&mut serial, Wins::Last, &mut seen).unwrap();
        assert_eq!((rows(&first), rows(&second)), (vec![2], vec![3, 4]));
        assert_eq!((first.mark.serial, second.mark.serial, serial), (4, 5, 5));
        assert_eq!((first.rows, second.rows, first.superseded()), (3, 2, 1));
        let [first, _] = second.divide(&mut serial, Wins::Last, &mut seen).unwrap();
        assert!(first.divide(&mut serial, Wins::Last, &mut seen).is_err());
    }

    #[test]
    fn many_identities_keep_their_places() {
        let identities: Vec<u128> = (0..5_000u128).map(|i| ((i % 3_000) << 64) | ((i % 3_000) * 7)).collect();
        let mut seen = ByIdentity::default();
        for _ in 0..2 {
            let flight = WriteTransaction::new(vec![portion(&identities)], 1, Wins::Last, &mut seen);
            assert_eq!((flight.winners.len(), flight.superseded()), (3_000, 2_000));
            assert!(rows(&flight).iter().enumerate().all(|(at, row)| *row as usize % 3_000 == at));
        }
    }

    #[test]
    fn the_mark_ends_before_the_first_row_that_waits_for_others() {
        let ordered = |order| {
            let mut portion = portion(&[0, 64, 128, 192, 64]);
            Arc::get_mut(&mut portion.batch).unwrap().order = order;
            let mut flight = WriteTransaction::new(vec![portion], 1, Wins::Last, &mut ByIdentity::default());
            flight.room = 1;
            let refused = [
                Reason::new("check", "x"),
                Reason::depends(Dependence::Reference, "x"),
                Reason::depends(Dependence::SameKey, "x"),
            ];
            for (place, reason) in [1, 2, 3].into_iter().zip(refused) {
                flight.reject(place, Arc::new(reason));
            }
            flight.hold();
            flight.set_mark();
            flight
        };
        // None goes before another of its key, and what there is no room for is dead at once.
        let again = ordered(Order::Again);
        assert_eq!((again.winners.len(), again.superseded(), again.mark.slots[0]), (5, 0, (0, 2)));
        assert_eq!(again.held.iter().map(|(pick, _)| pick.row).collect::<Vec<_>>(), [2]);
        assert_eq!(again.condemned.iter().map(|(pick, _)| pick.row).collect::<Vec<_>>(), [1, 3]);
        // Without a key nothing waits.
        let input = ordered(Order::Input);
        assert_eq!((input.held.len(), input.condemned.len(), input.mark.slots[0]), (0, 3, (0, 5)));
        let mut after = again;
        after.floor = Some(1);
        after.set_mark();
        assert_eq!(after.mark.slots[0], (0, 0));
    }

    #[test]
    fn the_mark_names_the_last_row_of_each_slot() {
        let flight =
            WriteTransaction::new(vec![portion(&[0, 64, 1])], 5, Wins::Last, &mut ByIdentity::default());
        assert_eq!(flight.mark.slots, [(0, 2), (1, 3)]);
    }
}
