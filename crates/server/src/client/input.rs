//! What people write on the command line instead of JSON.

use std::io::Read as _;

use serde_json::{Map, Value};

use crate::failure::{Failure, Result};

/// The most that is read from a file or standard input: more than any server accepts.
const LONGEST: u64 = 256 * 1024 * 1024;

/// A text as it stands, of a file (`@FILE`), or of standard input (`-`).
pub fn text(argument: &str) -> Result<String> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{argument} cannot be read: {error}"));
    let mut read = String::new();
    if argument == "-" {
        std::io::stdin().lock().take(LONGEST).read_to_string(&mut read).map_err(unreadable)?;
    } else if let Some(path) = argument.strip_prefix('@') {
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(LONGEST).read_to_string(&mut read).map_err(unreadable)?;
    } else {
        argument.clone_into(&mut read);
    }
    Ok(read)
}

/// `name=value` (or `Name: value`) of each, as an object; nothing for none.
pub fn pairs(arguments: &[String], separator: char) -> Result<Option<Value>> {
    let mut members = Map::new();
    for argument in arguments {
        let (name, value) = argument
            .split_once(separator)
            .ok_or_else(|| Failure::new(format!("write `name{separator}value`, not `{argument}`")))?;
        members.insert(name.trim().to_owned(), Value::from(value.trim()));
    }
    Ok((!members.is_empty()).then_some(Value::Object(members)))
}
