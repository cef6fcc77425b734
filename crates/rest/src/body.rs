//! Request bodies: read within bounds, then JSON, with errors that say where.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use futures_util::StreamExt as _;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use posthaste_engine::{EngineError, document};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;

use crate::App;
use crate::problem::Problem;

/// The largest document that describes a topic, an endpoint or a key.
const DOCUMENT_BYTES: usize = 1 << 20;
/// The largest batch of messages.
pub const BATCH_BYTES: usize = 8 << 20;
/// What a message may have around its payload.
const AROUND_PAYLOAD: usize = 64 << 10;
/// The longest that a body may take to arrive.
const LONGEST: Duration = Duration::from_secs(60);

/// A JSON object.
pub struct Json(pub Value);

/// A JSON object, or no body at all, which is an empty one.
pub struct MaybeJson(pub Value);

/// No body, or an empty object: a verb that takes no members.
pub struct NoBody;

/// A change: JSON Merge Patch.
pub struct Patch(pub Value);

/// The bytes of one message.
pub struct MessageBytes(pub Bytes);

/// The bytes of many messages.
pub struct BatchBytes(pub Bytes);

impl FromRequest<App> for Json {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        expect_type(request.headers(), &["application/json"])?;
        object(&read(request, DOCUMENT_BYTES).await?).map(Self)
    }
}

impl FromRequest<App> for MaybeJson {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let typed = expect_type(request.headers(), &["application/json"]);
        let bytes = read(request, DOCUMENT_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(Value::Object(serde_json::Map::new())));
        }
        // Clients like to send a type of theirs with an empty body; it only matters where there is something to read.
        typed?;
        object(&bytes).map(Self)
    }
}

impl FromRequest<App> for NoBody {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let MaybeJson(body) = MaybeJson::from_request(request, app).await?;
        match body.as_object().and_then(|members| members.keys().next()) {
            None => Ok(Self),
            Some(name) => {
                let pointer = format!("/{}", document::escape(name));
                Err(EngineError::invalid(pointer, "unknown member: this verb takes none").into())
            }
        }
    }
}

impl FromRequest<App> for Patch {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        expect_type(request.headers(), &["application/merge-patch+json", "application/json"])?;
        object(&read(request, DOCUMENT_BYTES).await?).map(Self)
    }
}

impl FromRequest<App> for MessageBytes {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        expect_type(request.headers(), &["application/json"])?;
        read(request, message_limit(app)).await.map(Self)
    }
}

impl FromRequest<App> for BatchBytes {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        expect_type(request.headers(), &["application/json"])?;
        read(request, BATCH_BYTES).await.map(Self)
    }
}

/// The longest body of one message. Base64 and escapes make a payload up to twice as long.
pub fn message_limit(app: &App) -> usize {
    app.engine().max_payload_bytes().saturating_mul(2).saturating_add(AROUND_PAYLOAD)
}

/// A body of a kind that is not read.
pub fn unsupported(detail: String) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

/// Refuses a compressed body.
pub fn expect_plain(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported("compressed bodies are not read: send it without Content-Encoding".to_owned()));
    }
    Ok(())
}

/// Refuses a body of another type, and a compressed one.
fn expect_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    expect_plain(headers)?;
    let refused = unsupported;
    let wanted = || format!("send a body of the Content-Type {}", accepted.join(" or "));
    // A missing type is refused too: a page of another site may send one without asking, and this server may be on the
    // visitor's own machine.
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(|| refused(wanted()))?;
    let mut parts = given.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    if !accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
        return Err(refused(format!("`{essence}` is not read here: {}", wanted())));
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let charset = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !charset.eq_ignore_ascii_case("utf-8") {
            return Err(refused("JSON is UTF-8: send no other charset".to_owned()));
        }
    }
    Ok(())
}

/// Reads a whole body. One that arrives in one piece, as small ones do, is not copied.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let gather = gather(request.into_body(), limit, declared.unwrap_or(0));
    tokio::time::timeout(LONGEST, gather).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} seconds", LONGEST.as_secs());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
    })
}

async fn gather(body: Body, limit: usize, declared: usize) -> Result<Bytes, Problem> {
    let mut body = body.into_data_stream();
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(data) = body.next().await {
        let data = data.map_err(|_| broken())?;
        if first.len().max(all.len()) + data.len() > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(declared.max(first.len() + data.len()));
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than the {limit} bytes that are read here");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

fn broken() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "the body ended before its announced length")
}

fn object(bytes: &[u8]) -> Result<Value, Problem> {
    match parse(bytes)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(not_an_object()),
    }
}

fn not_an_object() -> Problem {
    EngineError::invalid("", "give a JSON object").into()
}

/// Reads a JSON object into a type that may borrow from the bytes. What is not JSON is a 400 with line and column; JSON
/// of another shape a 422 with a pointer.
pub fn parse_object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Problem> {
    // serde takes a list for a struct, member by member; nobody means that.
    let begins = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins.is_some_and(|byte| *byte != b'{') {
        syntax(bytes)?;
        return Err(not_an_object());
    }
    parse(bytes)
}

fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).or_else(|error| {
        if error.classify() != Category::Data {
            return Err(not_json(&error));
        }
        syntax(bytes)?;
        // Read again, slowly, to learn which member it was.
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Ok(_) => Err(EngineError::invalid("", error.to_string()).into()),
            Err(error) => Err(EngineError::Invalid(vec![document::explain(&error, "")]).into()),
        }
    })
}

/// Whether the bytes are JSON at all.
pub fn syntax(bytes: &[u8]) -> Result<(), Problem> {
    serde_json::from_slice::<IgnoredAny>(bytes).map(|_| ()).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample<'a> {
        #[expect(dead_code, reason = "only read into")]
        name: &'a str,
    }

    fn refused(bytes: &[u8]) -> (u16, String) {
        let problem = parse_object::<Sample<'_>>(bytes).unwrap_err();
        (problem.status().as_u16(), serde_json::to_string(&problem.document(None)).unwrap())
    }

    #[test]
    fn what_is_not_json_is_a_400_that_says_where() {
        for (bytes, place) in [
            (&b"{\"name\": \"x\",\n oops}"[..], "line 2 column 2"),
            (b"", "line 1 column 0"),
            (b"{\"name\": \"\xff\"}", "line 1 column"),
            (b"{\"name\": 5, oops}", "line 1 column 13"),
            (b"[1,", "line 1 column 3"),
        ] {
            let (status, document) = refused(bytes);
            assert_eq!(status, 400, "{document}");
            assert!(document.contains(place), "{document}");
        }
    }

    #[test]
    fn json_of_another_shape_is_a_422_that_names_the_member() {
        for (bytes, pointer) in [
            (&b"{\"name\": 5}"[..], "/name"),
            (b"{\"name\": \"x\", \"colour\": 1}", "/colour"),
            (b"{}", "/name"),
            (b"[\"x\"]", ""),
            (b"null", ""),
        ] {
            let (status, document) = refused(bytes);
            assert_eq!(status, 422, "{document}");
            assert!(document.contains(&format!("\"pointer\":\"{pointer}\"")), "{document}");
        }
    }

    #[test]
    fn only_json_in_utf_8_without_compression_is_read() {
        let check = |name, value| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(name, HeaderValue::from_static(value));
            expect_type(&headers, &["application/json"]).is_ok()
        };
        assert!(check(CONTENT_TYPE, "Application/JSON; charset=\"UTF-8\""));
        assert!(!check(CONTENT_TYPE, "application/json; charset=latin1"));
        assert!(!check(CONTENT_TYPE, "text/plain"));
        assert!(!check(CONTENT_ENCODING, "gzip"));
        assert!(expect_type(&HeaderMap::new(), &["application/json"]).is_err());
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_joined_and_bounded() {
        let body = |size: usize| {
            let pieces = (0..size).map(|_| Ok::<_, axum::Error>(Bytes::from_static(b"abc")));
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        assert_eq!(gather(body(3), 9, 0).await.unwrap(), "abcabcabc");
        assert_eq!(gather(body(4), 9, 0).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
