//! Traces as a call of gRPC: the same bytes in a frame, over HTTP/2, and what the collector says of them behind its answer.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::Body as _;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use opentelemetry_http::{Bytes, Request, Response};
use reqwest::Body;
use tonic::Code;

use crate::error::{Error, Result};
use crate::telemetry::client::{Answer, Endpoint, why};

/// The call.
const CALL: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A flag that says "not compressed" before the length of a message, and the length.
const FRAME: usize = 5;

/// Where the call goes: to that host. A path is part of no call.
pub(super) fn endpoint(endpoint: Endpoint) -> Result<Endpoint> {
    endpoint.over_http2(CALL).map_err(Error::usage)
}

/// Calls, with what was to be posted.
///
/// # Errors
/// In words, where the collector has not taken it.
pub(super) async fn call(to: &Endpoint, request: Request<Bytes>, most: usize) -> Result<Answer, String> {
    let (mut head, message) = request.into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head.headers.insert(TE, HeaderValue::from_static("trailers"));
    let mut body = Vec::with_capacity(FRAME + message.len());
    body.push(0);
    // At most some hundred spans.
    body.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend_from_slice(&message);
    let request = Request::from_parts(head, Bytes::from(body)).try_into().map_err(why)?;
    let answer = to.answer(request).await.map_err(|error| match error.is_connect() {
        true => why(error),
        false => "what answers there does not speak gRPC".to_owned(),
    })?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Ok(Answer { status, body: Vec::new() });
    }
    let (head, body) = Response::<Body>::from(answer).into_parts();
    // Where nothing else is said, it is said at once.
    let said = match code(&head.headers) {
        Some(code) => Some(code),
        None => at_the_end(body, most).await?.and_then(|trailers| code(&trailers)),
    };
    match said {
        Some(Code::Ok) => Ok(Answer { status, body: Vec::new() }),
        Some(code) => Err(format!("the collector refuses them: {}", name(code))),
        None => Err("what answers there does not speak gRPC".to_owned()),
    }
}

/// What stands behind a body of so many bytes at most.
async fn at_the_end(mut body: Body, most: usize) -> Result<Option<HeaderMap>, String> {
    let mut taken = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = match frame.map_err(why)?.into_trailers() {
            Ok(trailers) => return Ok(Some(trailers)),
            Err(frame) => frame,
        };
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > most {
            return Err(format!("the answer is larger than {most} bytes"));
        }
    }
    Ok(None)
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// The name that gRPC has for a code. What a collector says beside it may quote what it was sent.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names() {
        for (code, said) in [
            (Code::Unavailable, "UNAVAILABLE"),
            (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
            (Code::Unauthenticated, "UNAUTHENTICATED"),
        ] {
            assert_eq!(name(code), said);
        }
    }
}
