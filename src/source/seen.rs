//! What an input was taken for, and by what.

use crate::decode::format::Reading;
use crate::pipeline::glimpse::Detected;
use crate::source::{Compression, OpenOptions, Opened};
use crate::text::flags::{ENCODING, FORMAT, LAYOUT};

/// What an input was taken for: format, delimiter and compression.
pub(super) fn form(opened: &Opened) -> String {
    let format = opened.format.name;
    let compressed = match opened.compression {
        Compression::None => String::new(),
        compression => format!(", compressed with {}", compression.as_str()),
    };
    let delimiter = match opened.decoder.fields() {
        Some((b'\t', _)) => ", delimited by tabs".to_owned(),
        Some((delimiter, _)) => format!(", delimited by {}", char::from(delimiter)),
        None => String::new(),
    };
    format!("{format}{delimiter}{compressed}")
}

/// What was found out of an input that is open.
pub fn detected(opened: &Opened, said: &OpenOptions) -> Vec<Detected> {
    let fact = |what: &str, is: String, why: String| Detected { what: what.to_owned(), is, why };
    let why = match said.format {
        Some(_) => format!("as {FORMAT} says"),
        None => "by its first bytes".to_owned(),
    };
    let mut all = vec![fact("format", form(opened), why)];
    if !matches!(opened.format.reading, Reading::File(_)) && !opened.format.is_binary() {
        all.push(match (&opened.encoding, said.encoding) {
            (_, Some(encoding)) => {
                fact("encoding", encoding.title().to_owned(), format!("as {ENCODING} says"))
            }
            (Some((encoding, text)), None) => {
                fact("encoding", encoding.title().to_owned(), format!("by the text \"{text}\""))
            }
            (None, None) => fact("encoding", "UTF-8".to_owned(), String::new()),
        });
    }
    let chosen = &opened.chosen;
    if let Some(told) = &chosen.told {
        let name = told.strip_prefix("layout is ").unwrap_or(told);
        let name = name.split_once("; ").map_or(name, |(name, _)| name);
        let sign = chosen.sign.clone().unwrap_or_else(|| format!("as {LAYOUT} says"));
        all.push(fact("layout", name.to_owned(), sign));
    }
    all
}
