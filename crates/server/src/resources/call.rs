//! From parsed arguments to the request, and the answer to its form on the screen.

use clap::ArgMatches;
use serde_json::{Map, Value, json};

use super::command::{CURSOR, DOCUMENT, ID, LIMIT, SET};
use super::{Action, Field, Kind, Method, Resource, Shows, show};
use crate::client::Client;
use crate::client::input;
use crate::client::query::{Query, segment};
use crate::failure::{Failure, Result};
use crate::output::{self, Format};

/// The most that one page of the API has.
const PAGE: u32 = 250;

/// Does what was asked.
pub async fn run(resource: &Resource, matches: &ArgMatches, client: &Client, format: Format) -> Result<()> {
    let (name, matches) = matches.subcommand().ok_or_else(|| Failure::new("name what to do"))?;
    let action = resource
        .actions
        .iter()
        .find(|action| action.name == name)
        .ok_or_else(|| Failure::new(format!("{} cannot {name}", resource.name)))?;
    perform(resource.path, action, matches, client, format).await
}

/// Does one action at a path.
pub async fn perform(base: &str, action: &Action, matches: &ArgMatches, client: &Client, format: Format) -> Result<()> {
    let id = matches.try_get_one::<String>(ID).ok().flatten();
    let path = format!("{base}{}", action.path.replace("{id}", &segment(id.map_or("", String::as_str))));
    match action.shows {
        Shows::List(columns) => {
            let page = list(&path, action, matches, client).await?;
            match format {
                Format::Json => output::json(&page),
                Format::Table => show::list(&page, columns),
            }
        }
        Shows::Object => {
            let path = query(action, matches)?.on(&path);
            let answer = client.call(action.method.http(), &path, body(action, matches)?).await?;
            match format {
                Format::Json => output::json(&answer),
                Format::Table => show::object(&answer),
            }
        }
        Shows::Done(done) => {
            let path = query(action, matches)?.on(&path);
            let answer = client.call(action.method.http(), &path, body(action, matches)?).await?;
            match format {
                Format::Json => output::json(&if answer.is_null() { json!({}) } else { answer }),
                Format::Table => output::line(&format!("{}: {done}", id.map_or("", String::as_str))),
            }
        }
    }
}

/// As many items as were asked for, from as many pages as that takes: one of the API may be short although there is
/// more.
async fn list(path: &str, action: &Action, matches: &ArgMatches, client: &Client) -> Result<Value> {
    let wanted = matches.get_one::<u32>(LIMIT).copied().unwrap_or(PAGE);
    let mut cursor = matches.get_one::<String>(CURSOR).cloned();
    let mut data = Vec::new();
    loop {
        let missing = wanted.saturating_sub(u32::try_from(data.len()).unwrap_or(u32::MAX)).min(PAGE);
        let query = query(action, matches)?.with("limit", Some(&missing.to_string())).with("cursor", cursor.as_deref());
        let mut page = client.call(Method::Get.http(), &query.on(path), None).await?;
        if let Some(items) = page["data"].as_array_mut() {
            data.append(items);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        let full = data.len() >= usize::try_from(wanted).unwrap_or(usize::MAX);
        if full || cursor.is_none() {
            return Ok(json!({ "data": data, "next_cursor": cursor }));
        }
    }
}

fn query(action: &Action, matches: &ArgMatches) -> Result<Query> {
    action.parameters.iter().try_fold(Query::default(), |query, field| {
        let value = value(field, matches)?.map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        });
        Ok(query.with(field.name, value.as_deref()))
    })
}

/// The document: what `--json` gives, changed by the options, changed by `--set`.
fn body(action: &Action, matches: &ArgMatches) -> Result<Option<Vec<u8>>> {
    if action.method == Method::Get || action.method == Method::Delete {
        return Ok(None);
    }
    let mut document = match matches.try_get_one::<String>(DOCUMENT).ok().flatten() {
        Some(argument) => object(&input::text(argument)?)?,
        None => Map::new(),
    };
    if let Some(subject) = &action.subject
        && let Some(text) = matches.get_one::<String>(subject.name)
    {
        document.insert(subject.name.to_owned(), Value::from(text.as_str()));
    }
    for field in action.members {
        if let Some(value) = value(field, matches)? {
            document.insert(field.name.to_owned(), value);
        }
    }
    for set in matches.try_get_many::<String>(SET).ok().flatten().into_iter().flatten() {
        let (member, text) =
            set.split_once('=').ok_or_else(|| Failure::new(format!("write --set member=JSON, not `{set}`")))?;
        // What is not JSON is meant as a text: --set name=Billing.
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        put(&mut document, member, value)?;
    }
    if document.is_empty() && action.method == Method::Patch {
        return Err(Failure::new("nothing to change was given: name at least one option, or --set member=JSON"));
    }
    Ok(Some(Value::Object(document).to_string().into_bytes()))
}

fn object(text: &str) -> Result<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Failure::new("--json must be an object, such as {\"name\": \"x\"}")),
        Err(error) => Err(Failure::new(format!("--json is not JSON: {error}"))),
    }
}

/// Puts a value at a dotted path, making the objects on the way.
fn put(members: &mut Map<String, Value>, path: &str, value: Value) -> Result<()> {
    let Some((first, rest)) = path.split_once('.') else {
        members.insert(path.to_owned(), value);
        return Ok(());
    };
    match members.entry(first).or_insert_with(|| json!({})) {
        Value::Object(inner) => put(inner, rest, value),
        _ => Err(Failure::new(format!("`{first}` is not an object, so `{path}` cannot be set in it"))),
    }
}

/// What an option was given, as JSON.
fn value(field: &Field, matches: &ArgMatches) -> Result<Option<Value>> {
    if field.kind == Kind::Flag {
        return Ok(matches.get_flag(field.flag).then_some(Value::Bool(true)));
    }
    let texts: Vec<String> = matches.get_many::<String>(field.flag).into_iter().flatten().cloned().collect();
    let Some(first) = texts.first() else { return Ok(None) };
    let number = |text: &String| {
        let parsed: Option<serde_json::Number> = serde_json::from_str(text).ok();
        parsed
            .map(Value::Number)
            .ok_or_else(|| Failure::new(format!("--{} must be a number, not `{text}`", field.flag)))
    };
    match field.kind {
        Kind::Text | Kind::Flag => Ok(Some(Value::from(first.as_str()))),
        Kind::Texts => Ok(Some(Value::from(texts))),
        Kind::Number => number(first).map(Some),
        Kind::Numbers => texts.iter().map(number).collect::<Result<Vec<_>>>().map(|list| Some(Value::from(list))),
        Kind::Headers => input::pairs(&texts, ':'),
        Kind::Notes => input::pairs(&texts, '='),
        Kind::Json => serde_json::from_str(&input::text(first)?)
            .map(Some)
            .map_err(|error| Failure::new(format!("--{} is not JSON: {error}", field.flag))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::ALL;

    fn request(words: &[&str]) -> (String, Value) {
        let matches = crate::cli::command().try_get_matches_from(words).unwrap();
        let (name, matches) = matches.subcommand().unwrap();
        let resource = ALL.iter().find(|resource| resource.name == name).unwrap();
        let (name, matches) = matches.subcommand().unwrap();
        let action = resource.actions.iter().find(|action| action.name == name).unwrap();
        let body = body(action, matches).unwrap().map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
        (query(action, matches).unwrap().on(""), body)
    }

    #[test]
    fn options_become_members_and_parameters() {
        let words = [
            "posthaste",
            "endpoints",
            "create",
            "https://x/",
            "--topic",
            "a",
            "--topic",
            "b.*",
            "--max-attempts",
            "3",
            "--header",
            "X-A: 1",
            "--success-code",
            "200",
            "--metadata",
            "team=billing",
            "--set",
            "retry.factor=3",
            "--set",
            "name=Billing",
        ];
        let expected = json!({
            "url": "https://x/", "topics": ["a", "b.*"], "max_attempts": 3, "headers": {"X-A": "1"},
            "success_codes": [200], "metadata": {"team": "billing"}, "retry": {"factor": 3}, "name": "Billing",
        });
        assert_eq!(request(&words), (String::new(), expected));
        let words = ["posthaste", "topics", "delete", "a", "--force", "--tenant", "t 1"];
        assert_eq!(request(&words), ("?tenant=t%201&force=true".to_owned(), Value::Null));
        let words =
            ["posthaste", "endpoints", "create", "--json", r#"{"url":"https://x/","topics":[]}"#, "--topic", "a"];
        assert_eq!(request(&words).1, json!({"url": "https://x/", "topics": ["a"]}));
    }
}
