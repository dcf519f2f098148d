//! What kind of server is looked for, where several may answer: libpq's `target_session_attrs`.

use crate::batch::Reason;
use crate::port::SinkError;
use crate::sink::postgres::connection::classify::transient;
use crate::sink::postgres::connection::connect::Link;

/// The kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whichever answers first.
    Any,
    /// One that takes rows.
    ReadWrite,
    /// One that takes none.
    ReadOnly,
    /// One that follows no other.
    Primary,
    /// One that follows another.
    Standby,
    /// One that follows another, or any if there is none.
    PreferStandby,
}

impl Wanted {
    /// The words for them.
    pub(in crate::sink::postgres) const WORDS: &[(&str, Self)] = &[
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// What is looked for, one after the other, through all places.
    pub(in crate::sink::postgres) fn rounds(self) -> &'static [Self] {
        match self {
            Self::Any => &[Self::Any],
            Self::ReadWrite => &[Self::ReadWrite],
            Self::ReadOnly => &[Self::ReadOnly],
            Self::Primary => &[Self::Primary],
            Self::Standby => &[Self::Standby],
            Self::PreferStandby => &[Self::Standby, Self::Any],
        }
    }

    /// Asks the server what it is. One that will not do may do later, after a failover.
    pub(in crate::sink::postgres) async fn check(self, link: &Link) -> Result<(), SinkError> {
        if self == Self::Any {
            return Ok(());
        }
        let sql = "SELECT pg_catalog.pg_is_in_recovery(), \
                   pg_catalog.current_setting('transaction_read_only') = 'on'";
        let row = link.client.query_typed_one(sql, &[]).await.map_err(|error| link.classify(&error))?;
        let fact = |at| row.try_get::<_, bool>(at).map_err(|error| link.classify(&error));
        let (follows, read_only) = (fact(0)?, fact(1)?);
        let why = match self {
            Self::ReadWrite if follows => "it is a standby",
            Self::ReadWrite if read_only => "it is read-only",
            Self::ReadOnly if !read_only => "it is not read-only",
            Self::Primary if follows => "it is a standby",
            Self::Standby | Self::PreferStandby if !follows => "it is not a standby",
            _ => return Ok(()),
        };
        // The server's own code for a write that comes to the wrong place.
        Err(transient(Reason::new("25006", why)))
    }
}
