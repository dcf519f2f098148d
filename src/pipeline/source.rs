//! What a source of rows is, and the one way in which all of them are read.

use crate::error::Result;
use crate::pipeline::{Feed, Report};

/// Whether a source has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There may be more: it is asked again.
    More,
    /// There is no more, or none is wanted.
    Done,
}

/// Where rows come from: files, files that grow, dead letters. It pushes them into the feed, and asks
/// their origins what is settled of them.
pub trait Source: Send {
    /// Before the first step.
    ///
    /// # Errors
    /// Where there is nothing to be read from.
    fn begin(&mut self, _feed: &mut Feed<'_>) -> Result<()> {
        Ok(())
    }

    /// Reads a piece, so large as the source likes it, and hands it on; not called once the stop is set. A source
    /// for which there is nothing yet waits for a moment.
    ///
    /// # Errors
    /// Where rows can go no further, which ends the run. What is wrong with one input of many is noted in the
    /// report instead.
    fn step(&mut self, feed: &mut Feed<'_>) -> Result<Step>;

    /// After each step: notes where all is settled, if it is time to.
    fn acknowledge(&mut self) {}

    /// When no more is read: rows that wait for others find an outcome, and the report its notes.
    ///
    /// # Errors
    /// Where rows can go no further.
    fn finish(&mut self, feed: &mut Feed<'_>) -> Result<()>;

    /// After the engine has settled all that was read. `true` where the source has noted for good where a later
    /// run goes on.
    ///
    /// # Errors
    /// Where that cannot be noted.
    fn close(&mut self) -> Result<bool> {
        Ok(false)
    }
}

/// Reads a source until it has no more, or the stop is set; what was found on the way.
///
/// # Errors
/// Those of the source.
pub fn drive(source: &mut dyn Source, mut feed: Feed<'_>) -> Result<Report> {
    source.begin(&mut feed)?;
    while !feed.stop.is_set() {
        let step = source.step(&mut feed)?;
        source.acknowledge();
        if step == Step::Done {
            break;
        }
    }
    source.finish(&mut feed)?;
    Ok(feed.report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Reject};
    use crate::error::Error;
    use crate::pipeline::scope::Scope;
    use crate::pipeline::{BatchSink, Stop};
    use crate::port::{Event, Observer};

    struct Nowhere;

    impl BatchSink for Nowhere {
        fn rows(&mut self, _: Batch) -> Result<bool> {
            Ok(true)
        }

        fn rejects(&mut self, _: Vec<Reject>) -> Result<bool> {
            Ok(true)
        }
    }

    impl Observer for Nowhere {
        fn on(&self, _: &Event<'_>) {}
    }

    /// A source of so many steps, which writes down what it is asked for.
    struct Toy {
        steps: usize,
        fails: bool,
        asked: Vec<&'static str>,
    }

    impl Source for Toy {
        fn begin(&mut self, _: &mut Feed<'_>) -> Result<()> {
            self.asked.push("begin");
            Ok(())
        }

        fn step(&mut self, feed: &mut Feed<'_>) -> Result<Step> {
            self.asked.push("step");
            if self.fails {
                return Err(Error::unavailable("full"));
            }
            self.steps -= 1;
            feed.judge(1);
            Ok(if self.steps == 0 { Step::Done } else { Step::More })
        }

        fn acknowledge(&mut self) {
            self.asked.push("acknowledge");
        }

        fn finish(&mut self, _: &mut Feed<'_>) -> Result<()> {
            self.asked.push("finish");
            Ok(())
        }
    }

    #[test]
    fn a_source_is_finished_whether_it_ends_or_is_stopped_but_not_where_it_fails() {
        let whole = ["begin", "step", "acknowledge", "step", "acknowledge", "finish"];
        let cut = ["begin", "step", "acknowledge", "finish"];
        let cases: [(bool, bool, bool, &[&str]); 4] = [
            (false, false, false, &whole),
            (false, true, false, &cut),
            (true, false, false, &["begin", "finish"]),
            (false, false, true, &["begin", "step"]),
        ];
        for (stopped, enough, fails, asked) in cases {
            let (mut sink, stop, scope) = (Nowhere, Stop::new().unwrap(), Scope::default());
            if stopped {
                stop.set();
            }
            let feed = Feed {
                sink: &mut sink,
                observer: &Nowhere,
                stop: &stop,
                scope: &scope,
                time: None,
                enough: &|_| enough,
                report: Report::default(),
            };
            let mut toy = Toy { steps: 2, fails, asked: Vec::new() };
            let done = drive(&mut toy, feed);
            assert_eq!(toy.asked, asked);
            match done {
                Ok(report) => assert_eq!((report.too_many_rejects, fails), (enough, false)),
                Err(error) => assert!(fails, "{error}"),
            }
        }
    }
}
