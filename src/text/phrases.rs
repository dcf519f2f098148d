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

/// The lines of each paragraph in one, so that they can be wrapped to another width; those that are set in stay lines.
pub fn paragraphs(text: &str) -> String {
    let mut out = String::new();
    let mut goes_on = false;
    for line in text.lines() {
        let prose = !line.is_empty() && !line.starts_with(' ');
        if !out.is_empty() {
            out.push(if prose && goes_on { ' ' } else { '\n' });
        }
        out.push_str(line);
        goes_on = prose && !line.ends_with(':');
    }
    out
}

/// What clap says of a wrong command line, in one sentence: its text up to the usage.
pub fn before_usage(text: &str) -> String {
    let said = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let mut text = String::new();
    for line in said.map(str::trim).filter(|line| !line.is_empty()) {
        text.push_str(match line {
            _ if text.is_empty() => "",
            // A sentence of its own.
            _ if line.starts_with("tip:") => "; ",
            _ => " ",
        });
        text.push_str(line);
    }
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}
