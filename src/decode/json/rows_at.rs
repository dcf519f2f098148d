//! `--rows-at PATH`: the place in a document that the user names.

use crate::decode::DecodeError;
use crate::decode::json::find::Finder;
use crate::decode::json::outline::{Node, Object};
use crate::decode::json::plan::{Located, Plan};
use crate::text::flags::ROWS_AT;
use crate::text::phrases::list;

/// The rows at a path; `None` where the document itself is one, which an empty path or `.` says.
///
/// Names are divided by dots and may have some in them; `[0]` is an element of a list, `[]` all of them. `{NAME}` is
/// every member of an object, and what it is called is a column of that name.
pub(super) fn resolve(finder: &Finder<'_>, node: &Node, path: &str) -> Result<Option<Located>, DecodeError> {
    let rest = path.trim().trim_start_matches('.');
    // All members of an object are meant by its name alone.
    let rest = rest.strip_suffix(".*").unwrap_or(if rest == "*" { "" } else { rest });
    if rest.is_empty() && path.contains('*') {
        return follow(finder, node, None, rest, path).map(Some);
    }
    if rest.is_empty() {
        return Ok(None);
    }
    follow(finder, node, None, rest, path).map(Some)
}

fn follow(
    finder: &Finder<'_>,
    node: &Node,
    inside: Option<(&Object, &str)>,
    rest: &str,
    path: &str,
) -> Result<Located, DecodeError> {
    if rest.is_empty() {
        return match node {
            Node::List(list) => finder.rows_of(list, inside),
            Node::Object(object) => {
                let found = finder.whole_of(object).or_else(|| finder.keyed(object));
                found.unwrap_or_else(|| Ok(finder.one(object)))
            }
            _ => Err(DecodeError::Usage(format!("{ROWS_AT} {path}: there is a single value, and no rows"))),
        };
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    match node {
        Node::Object(object) if rest.starts_with('{') && object.get(rest).is_none() => {
            let (key, rest) = rest.get(1..).and_then(|rest| rest.split_once('}')).unwrap_or((rest, ""));
            let inner = |(_, node): &(String, Node)| match node {
                // What has the name is a row, though it has parts.
                Node::Object(row) if rest.is_empty() => {
                    finder.whole_of(row).unwrap_or_else(|| Ok(finder.one(row)))
                }
                _ => follow(finder, node, None, rest, path),
            };
            // Of members that have no rows the next one shows the way.
            let found = object.members.iter().map(inner);
            let located = found.reduce(|found, next| if found.is_ok() { found } else { next });
            let nothing = || DecodeError::Usage(format!("{ROWS_AT} {path}: there is nothing at {{{key}}}"));
            located.unwrap_or_else(|| Err(nothing())).map(|located| located.keyed(key))
        }
        Node::Object(object) => {
            let leads = |name: &str| {
                rest.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let longest = object.members.iter().filter_map(|(name, node)| Some((name, node, leads(name)?)));
            let longest = longest.filter(|(name, ..)| !name.is_empty()).max_by_key(|(name, ..)| name.len());
            let Some((name, inner, rest)) = longest else {
                return Err(DecodeError::Usage(format!(
                    "{ROWS_AT} {path}: nothing in the document is called {}; found {}",
                    rest.split(['.', '[']).next().unwrap_or(rest),
                    list(object.names().into_iter())
                )));
            };
            let located = follow(finder, inner, Some((object, name)), rest, path)?;
            Ok(match &located.plan {
                Plan::Split { .. } => located,
                _ => located.within(name),
            })
        }
        Node::List(list) => {
            let (item, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some(("", rest)) => (None, rest),
                Some((number, rest)) => match number.parse::<u64>() {
                    Ok(item) => (Some(item), rest),
                    Err(_) => {
                        return Err(DecodeError::Usage(format!(
                            "{ROWS_AT} {path}: [{number}] is no element of a list; write [0] for the first, or [] for all"
                        )));
                    }
                },
                None => (None, rest),
            };
            let place = item.unwrap_or(0);
            let known = usize::try_from(place).ok().and_then(|place| list.items.get(place));
            let Some(inner) =
                known.or_else(|| list.items.first().filter(|_| place < list.count || list.alone))
            else {
                return Err(DecodeError::Usage(format!(
                    "{ROWS_AT} {path}: the list has no element {place}, but {}",
                    list.count
                )));
            };
            let located = follow(finder, inner, None, rest, path)?;
            Ok(match item {
                Some(item) => located.within_item(item),
                None => located.within_each(false),
            })
        }
        _ => Err(DecodeError::Usage(format!("{ROWS_AT} {path}: {rest} would be inside of a single value"))),
    }
}
