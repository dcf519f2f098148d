//! What this program could do if it had been built with all of its features.

/// What to say where something is asked for that it was built without.
pub fn left_out(what: &str, feature: &str) -> String {
    format!("this mdsctl was built without {what}; build it with --features {feature}")
}
