//! The seam of two files: whether rows without an id that stand on both sides of it are the same ones.
//!
//! A vendor may send rows again, so that files *overlap*: equal rows of both are one. Or one stream was *cut*
//! in two, perhaps between two equal fills: those are two. What tells is how much of the end of the file before
//! comes again: of an overlap all that stood behind its first row does, of a cut only what came twice anyway.
//! It is a cut if one content alone is shared, or if at most half of the contents from the first shared one to
//! the end of the file before are; that is told either way, with what to do where it is the other one.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

/// Rows on each side of a seam that are looked at. What the first so many of a file do not show is not there.
pub const NEAR: usize = 512;

/// How a file came behind the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// It is the next of its inputs, or has taken the name of one that was rotated away.
    File,
    /// It is the same file, truncated: unless its first row equals the last one of before, it was written anew.
    Truncation,
}

/// What the seam is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// Nothing so far is on both sides.
    Open,
    /// Equal rows count on from those before.
    Cut,
    /// Equal rows are those of before; from then on that stays so.
    Overlap,
}

/// What is noted of a seam, for one that reads the same file again or goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeamNote {
    /// The last contents of the file before, as [`ContentIds::latest`] writes them.
    ///
    /// [`ContentIds::latest`]: crate::dataset::identity::ContentIds::latest
    before: String,
    after: After,
    verdict: Verdict,
}

/// The seam between a file and the one before.
#[derive(Debug)]
pub(super) struct Seam {
    note: SeamNote,
    /// The contents before it, the oldest first.
    contents: Vec<u64>,
    /// How often each has come.
    counts: HashMap<u64, u32>,
    /// Whether another has read some of the file already.
    known: bool,
    pub(super) told: Told,
}

/// Rows that are equal to one of the last of the file before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Those that are taken for the same ones.
    pub same: u64,
    /// Those that are taken for others.
    pub others: u64,
}

impl Seam {
    /// Behind a file that ended with those contents.
    pub(super) fn behind(before: &str, after: After) -> Self {
        Self::of(SeamNote { before: before.to_owned(), after, verdict: Verdict::Open }, false)
    }

    /// The one of a file of which some has been read already.
    pub(super) fn noted(note: SeamNote) -> Self {
        Self::of(note, true)
    }

    fn of(note: SeamNote, known: bool) -> Self {
        let (contents, counts) = {
            let all = super::identity::counts(&note.before);
            (all.clone().map(|(hash, _)| hash).collect(), all.collect())
        };
        Self { note, contents, counts, known, told: Told::default() }
    }

    /// Whether what it is taken for stays, whatever the file before has.
    pub(super) fn is_settled(&self) -> bool {
        self.known || self.note.verdict != Verdict::Open
    }

    /// What is to be known of it where so many rows of the file have been read.
    pub(super) fn note(&self, rows: u64, most: u64) -> Option<SeamNote> {
        let open = rows < NEAR as u64 || self.note.verdict == Verdict::Cut && rows < most;
        open.then(|| self.note.clone())
    }

    /// Whether more rows, behind so many, may tell what it is.
    pub(super) fn is_near(&self, rows: u64) -> bool {
        self.note.verdict != Verdict::Overlap && rows < NEAR as u64
    }

    /// Looks at rows that come behind so many others of the file, of which `has` tells.
    pub(super) fn look(&mut self, rows: u64, next: &[u64], has: impl Fn(u64) -> bool) {
        let Some(first) = next.first() else { return };
        let nexts: HashSet<u64> = next.iter().copied().collect();
        let shared = |hash: &u64| nexts.contains(hash) || has(*hash);
        let Some(earliest) = self.contents.iter().position(shared) else { return };
        let place = next.iter().position(|hash| self.counts.contains_key(hash));
        let near = place.is_some_and(|place| rows.saturating_add(place as u64) < NEAR as u64);
        let behind = self.contents.get(earliest..).unwrap_or_default();
        let count = behind.iter().filter(|hash| shared(hash)).count();
        let cut = match self.note.after {
            _ if self.note.verdict == Verdict::Open && !near => false,
            After::File => count == 1 || count * 2 <= behind.len(),
            After::Truncation => {
                let begins = rows > 0 || self.contents.last() == Some(first);
                let follows = rows == 0 || self.note.verdict == Verdict::Cut;
                count == 1 && behind.len() == 1 && begins && follows
            }
        };
        self.note.verdict = if cut { Verdict::Cut } else { Verdict::Overlap };
    }

    /// How many rows of that content came before the first one of this file.
    pub(super) fn count(&self, hash: u64) -> u32 {
        match self.note.verdict {
            Verdict::Cut => self.counts.get(&hash).copied().unwrap_or(0),
            Verdict::Open | Verdict::Overlap => 0,
        }
    }

    /// Takes note of a row of that content that was given that ordinal.
    pub(super) fn tell(&mut self, hash: u64, ordinal: u32) {
        match self.counts.get(&hash) {
            Some(count) if *count > ordinal => self.told.same += 1,
            Some(_) if self.note.verdict == Verdict::Cut => self.told.others += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the seam of two files with those contents is taken for, where the second comes in pieces.
    fn verdict(before: &[u64], pieces: &[&[u64]], after: After) -> Verdict {
        let text: Vec<String> = before.iter().map(|hash| format!("{hash:x}")).collect();
        let mut seam = Seam::behind(&text.join(" "), after);
        let mut seen: Vec<u64> = Vec::new();
        for piece in pieces {
            if seam.is_near(seen.len() as u64) {
                seam.look(seen.len() as u64, piece, |hash| seen.contains(&hash));
            }
            seen.extend_from_slice(piece);
        }
        seam.note.verdict
    }

    #[test]
    fn a_stream_that_was_cut_is_told_from_rows_that_were_sent_again() {
        use Verdict::{Cut, Open, Overlap};
        let (many, more): (Vec<u64>, Vec<u64>) = ((0..400).collect(), (100..900).collect());
        let cases: [(&[u64], &[u64], Verdict); 13] = [
            (&[1, 2], &[2, 3], Cut),
            (&[1, 2], &[1, 3], Cut),
            (&[1, 2], &[3, 4, 1], Cut),
            (&[1], &[1], Cut),
            (&[1], &[1, 1, 1], Cut),
            (&[1, 2], &[3, 4], Open),
            (&[1, 2], &[1, 2], Overlap),
            (&[1, 2, 3], &[2, 3, 4], Overlap),
            (&[1, 2, 3], &[1, 3, 4], Overlap),
            (&[1, 2, 3, 4], &[1, 4, 5], Cut),
            (&[9, 1, 2, 3, 4, 5], &[1, 5, 6], Cut),
            (&many, &more, Overlap),
            (&many, &[399, 400, 401], Cut),
        ];
        for (before, head, expected) in cases {
            assert_eq!(verdict(before, &[head], After::File), expected, "{before:?} | {head:?}");
        }
        // A twin that stands far from its own is none.
        let mut far: Vec<u64> = (1_000..1_000 + NEAR as u64).collect();
        far.push(1);
        assert_eq!(verdict(&[0, 1], &[&far], After::File), Overlap);
        assert_eq!(verdict(&[0, 1], &[&far[..NEAR], &far[NEAR..]], After::File), Open);
    }

    #[test]
    fn rows_that_come_one_by_one_tell_it_as_soon_as_they_can() {
        use Verdict::{Cut, Open, Overlap};
        let before = [1, 2, 3, 4];
        let cases: [(&[&[u64]], Verdict); 5] = [
            (&[&[3]], Cut),
            (&[&[3], &[4]], Overlap),
            (&[&[7], &[8]], Open),
            (&[&[7], &[4], &[8]], Cut),
            (&[&[3, 4], &[9], &[9]], Overlap),
        ];
        for (pieces, expected) in cases {
            assert_eq!(verdict(&before, pieces, After::File), expected, "{pieces:?}");
        }
    }

    #[test]
    fn a_truncated_file_goes_on_only_with_what_it_ended_with() {
        use Verdict::{Cut, Overlap};
        let before = [1, 2, 3];
        let cases: [(&[&[u64]], Verdict); 7] = [
            (&[&[3, 4]], Cut),
            (&[&[3, 3, 4]], Cut),
            (&[&[4, 3]], Overlap),
            (&[&[4], &[3]], Overlap),
            (&[&[2, 4]], Overlap),
            (&[&[3, 1]], Overlap),
            (&[&[3], &[1]], Overlap),
        ];
        for (pieces, expected) in cases {
            assert_eq!(verdict(&before, pieces, After::Truncation), expected, "{pieces:?}");
        }
    }

    #[test]
    fn what_is_noted_is_what_another_goes_on_with() {
        let mut seam = Seam::behind("1 2*3", After::File);
        assert!(!seam.is_settled());
        seam.look(0, &[2, 5], |_| false);
        let note = seam.note(2, 16).expect("near");
        let text = serde_json::to_string(&note).expect("json");
        let again = Seam::noted(serde_json::from_str(&text).expect("a note"));
        assert!(again.is_settled());
        assert_eq!((again.count(2), again.count(1), again.count(5)), (3, 1, 0));
        assert!(seam.note(NEAR as u64, 16).is_none() && seam.note(NEAR as u64, 1_000).is_some());
    }
}
