//! A connection whose peer must go on taking what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Longest time for what waits to be taken by a peer, until all of it is.
const LONGEST: Duration = Duration::from_secs(10);

/// The connection; a write that waits too long fails, so that it frees its place. Neither a peer that
/// takes nothing nor one that takes a byte now and then keeps it for longer.
pub(super) struct Patient<S> {
    stream: S,
    since: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, since: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, bytes) {
            return Poll::Ready(written);
        }
        let since = self.since.get_or_insert_with(|| Box::pin(sleep(LONGEST)));
        ready!(since.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Comes when all has been handed over that there was.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.since = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_too_little_is_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut patient = Patient::new(ours);
        patient.write_all(b"12345678").await.unwrap();
        patient.flush().await.unwrap();
        // It takes a byte each second.
        let drip = tokio::spawn(async move {
            let mut taken = 0;
            while theirs.read_u8().await.is_ok() {
                taken += 1;
                sleep(Duration::from_secs(1)).await;
            }
            taken
        });
        let start = Instant::now();
        let error = patient.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), LONGEST.as_secs());
        drop(patient);
        assert!(drip.await.unwrap() < 30);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_its_time_between_answers_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut patient = Patient::new(ours);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        for _ in 0..5 {
            patient.write_all(&[0; 20]).await.unwrap();
            patient.flush().await.unwrap();
            sleep(LONGEST * 2).await;
        }
        drop(patient);
        assert_eq!(reader.await.unwrap(), 100);
    }
}
