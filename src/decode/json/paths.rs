//! Parts of values that are columns of their own: `--map close=c.price`, `--map ask=asks[0].price`.

use std::sync::Arc;

use crate::decode::json::text::{Elements, Text};

/// The ways to them.
#[derive(Debug, Clone, Default)]
pub struct NestedPaths(Arc<[String]>);

impl NestedPaths {
    /// Those of some names that lead into values.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self(names.into_iter().filter(|name| name.contains(['.', '['])).map(str::to_owned).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first way that leads into a member of that name.
    pub(in crate::decode) fn leading_into(&self, name: &str) -> Option<&str> {
        let leads = |path: &&String| path.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.0.iter().find(leads).map(String::as_str)
    }

    /// The parts of a member that are columns: the way to each, and its place in the value.
    pub(in crate::decode) fn parts<'p>(
        &'p self,
        name: &'p str,
        value: &'p str,
    ) -> impl Iterator<Item = (&'p str, usize, usize)> {
        let part = move |path: &'p String| {
            let rest = path.strip_prefix(name).filter(|rest| rest.starts_with(['.', '[']))?;
            let (from, to) = part(value.as_bytes(), 0, rest)?;
            Some((path.as_str(), from, to))
        };
        self.0.iter().filter_map(part)
    }
}

/// The place of a part of a value, which begins at `from` of the text.
fn part(text: &[u8], from: usize, rest: &str) -> Option<(usize, usize)> {
    let value = text.get(from..)?;
    if rest.is_empty() {
        return Some((from, from + super::extent::length(value)?));
    }
    if let Some((number, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let element = value.starts_with(b"[").then(|| Elements::of(value))?.nth(number.parse().ok()?)?;
        let at = element.as_ptr() as usize - text.as_ptr() as usize;
        return part(text, at, rest);
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let mut object = Text::new(value);
    object.enter(b'{').ok()?;
    let (mut first, mut best) = (true, None::<(usize, usize, &str)>);
    while let Some(name) = object.member(first).ok()? {
        first = false;
        object.next();
        let at = text.len() - object.bytes().len();
        object.skip().ok()?;
        // Names may have dots in them.
        let leads = rest.strip_prefix(name.as_str());
        if let Some(rest) = leads.filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            && best.is_none_or(|(length, ..)| name.len() > length)
        {
            best = Some((name.len(), at, rest));
        }
    }
    let (_, at, rest) = best?;
    part(text, at, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_their_way() {
        let value = r#"{"b":{"c":"x","d":[1,{"e":-2.50}]},"b.c":7, "n":null}"#;
        for (path, expected) in [
            ("a.b.c", Some("7")),
            ("a.b.d", Some(r#"[1,{"e":-2.50}]"#)),
            ("a.b.d[1].e", Some("-2.50")),
            ("a.b.d[2]", None),
            ("a.b.c.d", None),
            ("a.n", Some("null")),
            ("a[0]", None),
            ("ab.c", None),
        ] {
            let paths = NestedPaths::of([path]);
            let found = paths.parts("a", value).next().map(|(_, from, to)| &value[from..to]);
            assert_eq!(found, expected, "{path}");
        }
        let list = NestedPaths::of(["asks[0].price", "asks[1].price", "plain"]);
        let value = r#"[{"price":1.10,"size":2},{"price":3}]"#;
        let found: Vec<&str> = list.parts("asks", value).map(|(_, from, to)| &value[from..to]).collect();
        assert_eq!(found, ["1.10", "3"]);
    }
}
