//! Signals to a command that has nothing to drain: it looks now and then, and ends.

use tokio::sync::watch;

use crate::cli::exit::Exit;
use crate::cli::signals::{Heard, heard};
use crate::error::Result;

/// Whether one has come. The second ends the process at once, as if nobody listened, unless somebody
/// else sees to it.
pub struct SignalFlag(watch::Receiver<Heard>);

impl SignalFlag {
    /// Listens from now on.
    pub fn listen() -> Result<Self> {
        heard().map(Self)
    }

    /// Waits for one.
    pub async fn come(&self) {
        if self.0.clone().wait_for(|heard| heard.first.is_some()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How to end, if it is time to.
    pub fn exit(&self) -> Option<Exit> {
        self.0.borrow().first
    }
}
