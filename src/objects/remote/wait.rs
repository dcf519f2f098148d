//! The runtime on which requests are made, and the wait for it by those that have none.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::objects::Stopped;

/// How often the stop is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The runtime; `None` where the process can have no more threads.
pub(super) fn runtime() -> Option<&'static Handle> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let made =
        || Builder::new_multi_thread().worker_threads(2).thread_name("objects").enable_all().build().ok();
    RUNTIME.get_or_init(made).as_ref().map(Runtime::handle)
}

/// What comes of a task; `None` where the wait for it was given up.
pub(super) fn wait<T: Send + 'static>(
    stopped: Stopped<'_>,
    task: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (answer, answered) = sync_channel(1);
    let task = runtime()?.spawn(async move {
        // Where nobody waits any more nobody wants to know.
        let _ = answer.send(task.await);
    });
    loop {
        match answered.recv_timeout(LOOK) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) if stopped() => {
                task.abort();
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
