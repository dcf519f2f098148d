//! What follows the last row where chunks are to be compressed behind it.

use crate::app::interrupts::Signals;
use crate::app::load::Load;
use crate::error::Result;
use crate::sink::{Packed, Packing};
use crate::text::flags::COMPRESS_AFTER_LOAD;
use crate::text::number_format::{bytes, plural};

/// Nanoseconds in a microsecond.
const NANOS: i64 = 1_000;

impl Load<'_> {
    /// Compresses the chunks with rows of that time, in nanoseconds since 1970. What is to be said of it.
    pub(super) async fn pack(
        &self,
        signals: &Signals,
        packing: Option<&dyn Packing>,
        span: Option<(i64, i64)>,
    ) -> Result<Option<String>> {
        let (Some(packing), Some((first, last))) = (packing, span) else { return Ok(None) };
        let times = first.div_euclid(NANOS)..=last.div_euclid(NANOS);
        let act = async || {
            let mut told = false;
            let mut tell = |done: u64, all: u64| {
                if !std::mem::replace(&mut told, true) {
                    self.note(&format!("compressing {}", plural(all, "chunk")));
                } else {
                    tracing::debug!("{done} of {all} chunks are compressed");
                }
                signals.exit().is_none()
            };
            packing.pack(times.clone(), &mut tell).await
        };
        self.patiently(signals, act).await.map(|packed| Some(words(&packed)))
    }
}

fn words(packed: &Packed) -> String {
    let Packed { chunks, young, left, bytes_before, bytes_after } = *packed;
    let mut said = match chunks {
        0 => format!("{COMPRESS_AFTER_LOAD}: no chunk was compressed"),
        _ => format!(
            "{} compressed: {} of rows and indexes take {} now",
            plural(chunks, "chunk"),
            bytes(bytes_before),
            bytes(bytes_after)
        ),
    };
    if young > 0 {
        said.push_str(&format!(
            "; {} {} too young for it, and left to the compression job of the table",
            plural(young, "chunk"),
            if young == 1 { "is" } else { "are" }
        ));
    }
    if left > 0 {
        let them = plural(left, "chunk");
        said.push_str(&format!(
            "; {them} {} left, since the load was stopped",
            if left == 1 { "is" } else { "are" }
        ));
    }
    said
}
