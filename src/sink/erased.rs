//! A sink whose kind is known only when the program runs. What goes through here is a transaction's steps,
//! with all rows of a write at once: nothing is called for a single row.

use std::time::Duration;

use async_trait::async_trait;

use crate::batch::{Commit, Reason, Rows};
use crate::port::{CommitMark, Resolved, Session, Sink, SinkError, WriteMode, Written};

/// Any sink.
pub struct AnySink(Box<dyn ErasedSink>);

/// A session of any sink.
pub struct AnySession(Box<dyn ErasedSession>);

impl AnySink {
    /// Of that one.
    pub fn new(sink: impl Sink) -> Self {
        Self(Box::new(sink))
    }
}

#[async_trait]
trait ErasedSink: Send + Sync {
    fn name(&self) -> &str;
    fn max_sessions(&self) -> Option<usize>;
    fn room(&self) -> Option<usize>;
    fn distance(&self) -> Option<Duration>;
    fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit>;
    async fn connect(&self, worker: usize) -> Result<AnySession, SinkError>;
    async fn seal(&self) -> Result<(), SinkError>;
    async fn unfinished(&self) -> Option<String>;
    async fn finish(&self) -> Result<Resolved, SinkError>;
}

#[async_trait]
impl<S: Sink> ErasedSink for S {
    fn name(&self) -> &str {
        Sink::name(self)
    }

    fn max_sessions(&self) -> Option<usize> {
        Sink::max_sessions(self)
    }

    fn room(&self) -> Option<usize> {
        Sink::room(self)
    }

    fn distance(&self) -> Option<Duration> {
        Sink::distance(self)
    }

    fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit> {
        Sink::name_of(self, worker, mark)
    }

    async fn connect(&self, worker: usize) -> Result<AnySession, SinkError> {
        Ok(AnySession(Box::new(Sink::connect(self, worker).await?)))
    }

    async fn seal(&self) -> Result<(), SinkError> {
        Sink::seal(self).await
    }

    async fn unfinished(&self) -> Option<String> {
        Sink::unfinished(self).await
    }

    async fn finish(&self) -> Result<Resolved, SinkError> {
        Sink::finish(self).await
    }
}

impl Sink for AnySink {
    type Session = AnySession;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn max_sessions(&self) -> Option<usize> {
        self.0.max_sessions()
    }

    fn room(&self) -> Option<usize> {
        self.0.room()
    }

    fn distance(&self) -> Option<Duration> {
        self.0.distance()
    }

    fn name_of(&self, worker: usize, mark: &CommitMark) -> Option<Commit> {
        self.0.name_of(worker, mark)
    }

    async fn connect(&self, worker: usize) -> Result<AnySession, SinkError> {
        self.0.connect(worker).await
    }

    async fn seal(&self) -> Result<(), SinkError> {
        self.0.seal().await
    }

    async fn unfinished(&self) -> Option<String> {
        self.0.unfinished().await
    }

    async fn finish(&self) -> Result<Resolved, SinkError> {
        self.0.finish().await
    }
}

#[async_trait]
trait ErasedSession: Send {
    async fn begin(&mut self) -> Result<(), SinkError>;
    async fn write(&mut self, rows: Rows<'_>, mode: WriteMode) -> Result<Written, SinkError>;
    async fn commit(&mut self, mark: &CommitMark, now: bool) -> Result<u64, SinkError>;
    async fn flush(&mut self) -> Result<(), SinkError>;
    async fn rehearse(&mut self, rows: Rows<'_>, refused: &Reason, certain: bool) -> Result<(), SinkError>;
    async fn rollback(&mut self) -> Result<(), SinkError>;
    async fn settled(&mut self, mark: &CommitMark) -> Result<Option<bool>, SinkError>;
}

#[async_trait]
impl<S: Session> ErasedSession for S {
    async fn begin(&mut self) -> Result<(), SinkError> {
        Session::begin(self).await
    }

    async fn write(&mut self, rows: Rows<'_>, mode: WriteMode) -> Result<Written, SinkError> {
        Session::write(self, rows, mode).await
    }

    async fn commit(&mut self, mark: &CommitMark, now: bool) -> Result<u64, SinkError> {
        Session::commit(self, mark, now).await
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Session::flush(self).await
    }

    async fn rehearse(&mut self, rows: Rows<'_>, refused: &Reason, certain: bool) -> Result<(), SinkError> {
        Session::rehearse(self, rows, refused, certain).await
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        Session::rollback(self).await
    }

    async fn settled(&mut self, mark: &CommitMark) -> Result<Option<bool>, SinkError> {
        Session::settled(self, mark).await
    }
}

impl Session for AnySession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.0.begin().await
    }

    async fn write(&mut self, rows: Rows<'_>, mode: WriteMode) -> Result<Written, SinkError> {
        self.0.write(rows, mode).await
    }

    async fn commit(&mut self, mark: &CommitMark, now: bool) -> Result<u64, SinkError> {
        self.0.commit(mark, now).await
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.0.flush().await
    }

    async fn rehearse(&mut self, rows: Rows<'_>, refused: &Reason, certain: bool) -> Result<(), SinkError> {
        self.0.rehearse(rows, refused, certain).await
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        self.0.rollback().await
    }

    async fn settled(&mut self, mark: &CommitMark) -> Result<Option<bool>, SinkError> {
        self.0.settled(mark).await
    }
}
