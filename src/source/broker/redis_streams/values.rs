//! The values of an answer of Redis.

use redis::Value;

/// A text of an answer.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

pub(super) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) | Value::Set(values) => values,
        // As the newer protocol has it.
        Value::Map(pairs) => pairs.into_iter().flat_map(|(name, value)| [name, value]).collect(),
        _ => Vec::new(),
    }
}

/// The value of a name in a list of names and values.
pub(super) fn of_name<'v>(pairs: &'v [Value], name: &str) -> Option<&'v Value> {
    pairs.chunks_exact(2).find_map(|pair| match pair {
        [key, value] if text(key).as_deref() == Some(name) => Some(value),
        _ => None,
    })
}

/// A field of an entry, or its name.
pub(super) fn bytes_of(value: Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::Int(number) => number.to_string().into_bytes(),
        other => text(&other).unwrap_or_default().into_bytes(),
    }
}

/// Appends a text of JSON. Bytes that are no UTF-8 stay what they are: then it is none.
pub(super) fn append(bytes: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => json.extend([b'\\', *byte]),
            0..0x20 => json.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => json.push(*byte),
        }
    }
    json.push(b'"');
}
