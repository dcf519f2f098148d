//! Documents in the place of data: what an API answers where it has none, in its own words.

use serde_json::Value;

use crate::dataset::names::plain;
use crate::decode::json::outline::{Node, Object};

/// Longest text that is quoted.
const MOST: usize = 300;

/// Names of what went wrong, the first of which that is there is quoted.
const WORDS: [&str; 14] = [
    "errormessage",
    "retmsg",
    "msg",
    "message",
    "error",
    "errors",
    "description",
    "detail",
    "details",
    "reason",
    "note",
    "information",
    "code",
    "status",
];

/// Names of codes that are 0 where all went well.
const CODES: [&str; 5] = ["retcode", "code", "errorcode", "errcode", "errno"];

/// What an object without rows says went wrong, fit to be told; `None` where it says nothing of that kind.
pub(super) fn told(object: &Object) -> Option<String> {
    let words = words(object, 0)?;
    let short: String = words.chars().take(MOST).collect();
    let more = if short.len() < words.len() { " …" } else { "" };
    Some(format!("it is no data but an answer of an API that went wrong: {short:?}{more}"))
}

fn words(object: &Object, depth: u32) -> Option<String> {
    if let Some(words) = member(object, &["error", "errors"]).and_then(|node| said(node, depth)) {
        // Beside a word that says little there may be a sentence.
        let other = || member(object, &WORDS).filter(|_| words.len() < 8).and_then(|node| said(node, depth));
        return Some(other().unwrap_or(words));
    }
    let has_words = || member(object, &WORDS).and_then(|node| said(node, depth));
    let bad_code = member(object, &CODES).and_then(|node| said(node, depth)).is_some_and(|code| {
        !matches!(code.to_ascii_lowercase().as_str(), "200" | "success" | "ok" | "00000" | "200000")
    });
    let bad_status = member(object, &["status", "s", "success"]).is_some_and(|node| match node {
        Node::Scalar(text) => matches!(
            plain(text.trim_matches('"')).as_str(),
            "error" | "fail" | "failed" | "false" | "notfound" | "notauthorized" | "maxfailure"
        ),
        _ => false,
    });
    let alone = object.count <= 2
        && object.members.iter().all(|(_, node)| matches!(node, Node::Scalar(_) | Node::Long))
        && member(object, &["errormessage", "message", "note", "information", "detail", "msg"]).is_some();
    if bad_code || bad_status || alone {
        return has_words();
    }
    // `{"chart": {"result": null, "error": {…}}}`
    let inner =
        |(_, node): &(String, Node)| node.object().filter(|_| depth == 0).and_then(|object| words(object, 1));
    match object.count {
        1 => object.members.iter().find_map(inner),
        _ => None,
    }
}

/// The first of these members that is there and says something, by its name without case and punctuation.
fn member<'n>(object: &'n Object, names: &[&str]) -> Option<&'n Node> {
    names.iter().find_map(|wanted| {
        let named = |(name, node): &&(String, Node)| plain(name) == *wanted && said(node, 0).is_some();
        object.members.iter().find(named).map(|(_, node)| node)
    })
}

/// What a value says; nothing where it is empty, zero or false.
fn said(node: &Node, depth: u32) -> Option<String> {
    match node {
        Node::Scalar(text) => match serde_json::from_str::<Value>(text).ok()? {
            Value::String(text) if text.trim().is_empty() || text == "0" => None,
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
            Value::Bool(true) => Some("true".to_owned()),
            _ => None,
        },
        Node::Long => Some("a text of more than 1,024 characters".to_owned()),
        Node::List(list) => {
            let all: Vec<String> = list.items.iter().filter_map(|item| said(item, depth + 1)).collect();
            (!all.is_empty() && depth < 3).then(|| all.join("; "))
        }
        Node::Object(object) if depth < 3 => member(object, &WORDS).and_then(|node| said(node, depth + 1)),
        Node::Object(_) | Node::Closed(_) => None,
    }
}
