//! A thread that decodes ahead of the mapping, so that both have a processor; the order stays.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::dataset::wanted::Wanted;
use crate::decode::{DecodeError, Decoder, Passed, RawBatch};

/// Batches that wait to be mapped at most.
const AHEAD: usize = 2;

/// Batches that are decoded without a thread: inputs that have no more are not worth one.
const BEFORE: usize = 2;

/// A decoder, which after its first batches goes on in a thread of its own.
pub(super) struct DecodeAhead {
    place: Place,
    /// Batches so far.
    batches: usize,
    known: Known,
    /// The names that matter, where the thread has not been told yet.
    wanted: Arc<Mutex<Option<Wanted>>>,
}

/// Where the decoder is.
enum Place {
    Here(Box<dyn Decoder>),
    Thread(Receiver<Message>),
    Ended,
}

/// What comes next, and what the decoder knows behind it.
type Message = (Result<Option<RawBatch>, DecodeError>, Known);

/// What a decoder tells beside its rows.
struct Known {
    names: Vec<Arc<str>>,
    fields: Option<(u8, Vec<Arc<str>>)>,
    told: Option<String>,
    document: Option<String>,
    objection: Option<String>,
    shares: u64,
    passed: Passed,
}

impl Known {
    fn of(decoder: &dyn Decoder) -> Self {
        Self {
            names: decoder.names(),
            fields: decoder.fields(),
            told: decoder.told().map(str::to_owned),
            document: decoder.document().map(str::to_owned),
            objection: decoder.objection().map(str::to_owned),
            shares: decoder.shares(),
            passed: decoder.passed(),
        }
    }
}

impl DecodeAhead {
    pub(super) fn new(decoder: Box<dyn Decoder>) -> Self {
        let known = Known::of(&*decoder);
        Self { place: Place::Here(decoder), batches: 0, known, wanted: Arc::default() }
    }

    /// Goes on with the decoder in a thread; without one where the system has none to give.
    fn start(&mut self) {
        let Place::Here(decoder) = std::mem::replace(&mut self.place, Place::Ended) else { return };
        let (sender, receiver) = sync_channel::<Message>(AHEAD);
        let wanted = self.wanted.clone();
        // Through this the decoder comes back from a thread that has not begun.
        let handed = Arc::new(Mutex::new(Some(decoder)));
        let taken = handed.clone();
        let begun = thread::Builder::new().name("decoder".into()).spawn(move || {
            let Some(mut decoder) = taken.lock().unwrap_or_else(PoisonError::into_inner).take() else {
                return;
            };
            loop {
                if let Some(wanted) = wanted.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    decoder.want(wanted);
                }
                let next = decoder.next_batch();
                let last = !matches!(next, Ok(Some(_)));
                // Where nobody listens any more nobody wants the rest.
                if sender.send((next, Known::of(&*decoder))).is_err() || last {
                    return;
                }
            }
        });
        self.place = match begun {
            Ok(_) => Place::Thread(receiver),
            Err(_) => match handed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(decoder) => Place::Here(decoder),
                None => Place::Ended,
            },
        };
    }
}

impl Decoder for DecodeAhead {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        if self.batches == BEFORE {
            self.start();
        }
        self.batches += 1;
        match &mut self.place {
            Place::Here(decoder) => {
                let next = decoder.next_batch();
                self.known = Known::of(&**decoder);
                next
            }
            Place::Thread(receiver) => {
                let Ok((next, known)) = receiver.recv() else {
                    self.place = Place::Ended;
                    return Err(DecodeError::Corrupt("decoding it broke off".into()));
                };
                self.known = known;
                if !matches!(next, Ok(Some(_))) {
                    self.place = Place::Ended;
                }
                next
            }
            Place::Ended => Ok(None),
        }
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        match &mut self.place {
            Place::Here(decoder) => decoder.prove(),
            Place::Thread(_) | Place::Ended => Ok(()),
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.known.names.clone()
    }

    fn fields(&self) -> Option<(u8, Vec<Arc<str>>)> {
        self.known.fields.clone()
    }

    fn told(&self) -> Option<&str> {
        self.known.told.as_deref()
    }

    fn document(&self) -> Option<&str> {
        self.known.document.as_deref()
    }

    fn objection(&self) -> Option<&str> {
        self.known.objection.as_deref()
    }

    fn shares(&self) -> u64 {
        self.known.shares
    }

    fn want(&mut self, wanted: Wanted) {
        match &mut self.place {
            Place::Here(decoder) => decoder.want(wanted),
            Place::Thread(_) | Place::Ended => {
                *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
            }
        }
    }

    fn passed(&self) -> Passed {
        self.known.passed.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Broken, text_columns};
    use arrow::array::RecordBatch;

    /// Gives so many batches of a broken row each, and then ends or fails.
    struct Counting {
        left: u64,
        at: u64,
        fails: bool,
    }

    impl Decoder for Counting {
        fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
            if self.at == self.left {
                return match self.fails {
                    true => Err(DecodeError::Corrupt("cut".into())),
                    false => Ok(None),
                };
            }
            self.at += 1;
            let broken =
                Broken { row: self.at, raw: vec![], cut: false, code: "bad_line", message: "x".into() };
            let columns = RecordBatch::new_empty(Arc::new(text_columns(["a"])));
            Ok(Some(RawBatch { columns, rows: vec![], broken: vec![broken], bytes: 1 }))
        }

        fn names(&self) -> Vec<Arc<str>> {
            vec![self.at.to_string().into()]
        }

        fn passed(&self) -> Passed {
            Passed { blank: self.at, ..Passed::default() }
        }
    }

    #[test]
    fn what_comes_is_the_same_and_in_order_with_a_thread_or_without() {
        for left in 0..8 {
            for fails in [false, true] {
                let mut ahead = DecodeAhead::new(Box::new(Counting { left, at: 0, fails }));
                for row in 1..=left {
                    let batch = ahead.next_batch().unwrap().unwrap();
                    assert_eq!(batch.broken[0].row, row);
                    // Nothing is told of what comes later.
                    assert_eq!((&*ahead.names()[0], ahead.passed().blank), (&*row.to_string(), row));
                }
                match ahead.next_batch() {
                    Err(DecodeError::Corrupt(text)) => assert!(fails && text == "cut"),
                    other => assert!(!fails && other.unwrap().is_none()),
                }
            }
        }
    }
}
