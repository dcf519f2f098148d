//! Ids of news: one for each article and instrument.
//!
//! An article that is about three companies is three rows, and the tables of the Python system tell
//! rows apart by their id alone. So the id is made of the vendor, the article and the symbol. SQL can
//! make the same one (`schema apply` does, for rows of earlier versions).

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// Between vendor and symbol in what an id is made of.
const SEPARATOR: u8 = 0x1f;

/// The article that a text stands for, be it a vendor's own id, a URL or a title: UUIDv5 in the URL
/// namespace (RFC 9562, section 5.5).
pub fn article(text: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes())
}

/// The id of the row that is about that article and that instrument: a UUIDv8 of the SHA-256 of the
/// article's bytes, the vendor, 0x1f and the symbol.
pub fn article_id(article: Uuid, vendor: &str, symbol: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(article.as_bytes());
    hash.update(vendor.as_bytes());
    hash.update([SEPARATOR]);
    hash.update(symbol.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    for (byte, digit) in bytes.iter_mut().zip(digest.iter()) {
        *byte = *digit;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Articles of which a mapper remembers the instrument, in one of its two generations.
const GENERATION: usize = 1 << 18;

/// Instruments of articles whose vendor gives a UUID, for a table that tells rows apart by that alone.
#[derive(Debug, Default)]
pub struct Articles {
    recent: HashMap<u64, u64>,
    older: HashMap<u64, u64>,
}

impl Articles {
    /// The id of a row of which the vendor says a UUID: that one for the instrument with which it came
    /// first, one of its own for each further instrument.
    pub fn id(&mut self, given: Uuid, vendor: &str, symbol: &str) -> Uuid {
        let about = xxh3_64(symbol.as_bytes());
        let article = xxh3_64(article_id(given, vendor, "").as_bytes());
        let first = self.recent.get(&article).or_else(|| self.older.get(&article)).copied();
        if self.recent.len() >= GENERATION {
            self.older = std::mem::take(&mut self.recent);
        }
        let first = *self.recent.entry(article).or_insert(first.unwrap_or(about));
        if first == about { given } else { article_id(given, vendor, symbol) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_vendor_article_and_symbol() {
        let of = |text: &str, vendor: &str, symbol: &str| article_id(article(text), vendor, symbol);
        let all = [
            of("https://a/1", "v", "AAPL"),
            of("https://a/1", "v", "MSFT"),
            of("https://a/1", "v", ""),
            of("https://a/1", "w", "AAPL"),
            of("https://a/2", "v", "AAPL"),
            of("https://a/1", "vA", "APL"),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|id| id.get_version_num() == 8));
        assert_eq!(all[0], of("https://a/1", "v", "AAPL"));
    }

    #[test]
    fn a_uuid_of_the_vendors_stays_for_the_first_instrument() {
        let given = Uuid::from_u128(7);
        let mut articles = Articles::default();
        assert_eq!(articles.id(given, "v", "AAPL"), given);
        let other = articles.id(given, "v", "MSFT");
        assert_ne!(other, given);
        assert_eq!(articles.id(given, "v", "AAPL"), given);
        assert_eq!(articles.id(given, "v", "MSFT"), other);
        assert_ne!(articles.id(given, "v", "NVDA"), other);
    }
}
