//! The labels of an enum, as the catalog has them. A label's text is its wire form, so a value is
//! decided by looking it up.

/// Labels that a message names.
const SHOWN: usize = 12;

/// The labels of one type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::sink::postgres) struct Labels {
    sorted: Vec<String>,
    shown: String,
}

impl Labels {
    /// The labels in the order of the type.
    pub fn new(labels: &[String]) -> Self {
        let mut shown = labels.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if labels.len() > SHOWN {
            shown.push_str(", …");
        }
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        Self { sorted, shown }
    }

    /// Whether the text is one of them; case and blanks count, as they do for the server.
    pub fn has(&self, text: &str) -> bool {
        self.sorted.binary_search_by(|label| label.as_str().cmp(text)).is_ok()
    }

    /// The first of them, for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_known_by_its_very_text() {
        let labels = Labels::new(&["sell".into(), "buy".into(), "Ä b".into()]);
        assert!(labels.has("buy") && labels.has("sell") && labels.has("Ä b"));
        assert!(!labels.has("Buy") && !labels.has("buy ") && !labels.has("") && !labels.has("bu"));
        assert_eq!(labels.shown(), "sell, buy, Ä b");
        let many: Vec<String> = (0..40).map(|n| format!("l{n}")).collect();
        assert!(Labels::new(&many).shown().ends_with("l11, …"));
    }
}
