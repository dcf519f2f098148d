//! Names and values put together for a sentence.

/// `a, b and c`.
pub fn enumerated(words: &[String], and: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

/// A list for a message, bounded.
pub fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 30;
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let cut = |n: &&str| {
        if n.chars().count() > 40 { n.chars().take(40).chain(['…']).collect() } else { (*n).to_owned() }
    };
    let shown: Vec<String> = names.iter().map(cut).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".into(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A word as a shell takes it.
pub fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:+=,@%".contains(&b);
    let comment = text.starts_with('#');
    if !text.is_empty() && !comment && text.bytes().all(|b| plain(b) || b == b'#') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
