//! A refusal of the API as one sentence.

use http::StatusCode;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::harmless;

/// The sentence for an answer that is no success.
pub fn failure(server: &str, status: StatusCode, body: &[u8]) -> Failure {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    if problem["detail"].as_str().or_else(|| problem["title"].as_str()).is_none() {
        let text = String::from_utf8_lossy(body);
        let first = text.lines().next().unwrap_or_default();
        return Failure::new(harmless(
            format!("{server} answered {}: {first}", status.as_u16()).trim_end_matches(": "),
        ));
    }
    let hint = if status == StatusCode::UNAUTHORIZED { " (give it as POSTHASTE_KEY or --key)" } else { "" };
    Failure::new(format!("{}{hint}", sentence(&problem)))
}

/// What a problem document says, with the members that it names.
pub fn sentence(problem: &Value) -> String {
    let detail = problem["detail"].as_str().or_else(|| problem["title"].as_str()).unwrap_or_default();
    let members: Vec<String> = problem["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| {
            let place = error["pointer"].as_str().or_else(|| error["parameter"].as_str())?;
            Some(format!("{place}: {}", error["detail"].as_str().unwrap_or_default()))
        })
        .collect();
    harmless(&if members.is_empty() { detail.to_owned() } else { members.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_becomes_a_sentence_that_names_the_members() {
        let body = br#"{"detail":"not valid","errors":[{"pointer":"/url","detail":"write a URL"},{"parameter":"limit","detail":"at most 250"}]}"#;
        let text = failure("http://x", StatusCode::UNPROCESSABLE_ENTITY, body).to_string();
        assert_eq!(text, "/url: write a URL; limit: at most 250");
        let text = failure("http://x", StatusCode::UNAUTHORIZED, br#"{"detail":"give a key"}"#).to_string();
        assert_eq!(text, "give a key (give it as POSTHASTE_KEY or --key)");
        assert_eq!(failure("http://x", StatusCode::BAD_GATEWAY, b"").to_string(), "http://x answered 502");
        assert_eq!(
            failure("http://x", StatusCode::BAD_GATEWAY, b"<html>\x1b").to_string(),
            "http://x answered 502: <html>\\u{1b}"
        );
    }
}
