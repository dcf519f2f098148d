//! Which rows a table has already, for a run that writes nothing.

use std::sync::Arc;

use async_trait::async_trait;

use crate::batch::Rows;
use crate::error::{Error, Result};
use crate::port::SinkError;
use crate::sink::postgres::write::session::PgSession;
use crate::sink::postgres::write::sink::Shared;
use crate::sink::{Comparison, Known};

/// Compares rows as a merge does, in transactions that are rolled back: they put rows into a temporary table alone.
pub struct PgComparison {
    shared: Arc<Shared>,
    session: Option<PgSession>,
}

impl PgComparison {
    pub(in crate::sink::postgres) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, session: None }
    }
}

#[async_trait]
impl Comparison for PgComparison {
    async fn known(&mut self, rows: Rows<'_>) -> Result<Known> {
        let failed = |error: SinkError| Error::unavailable(error.reason().message.clone().into_owned());
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(PgSession::open(self.shared.clone(), 0).await.map_err(failed)?),
        };
        let [there, differing] = session.known(rows).await.map_err(failed)?;
        Ok(Known { there, differing })
    }
}
