//! Answers as tables for people.

use serde_json::Value;

use super::Column;
use crate::failure::Result;
use crate::output::{self, harmless};

/// Cells are cut at this many characters; `--output json` has all of it.
const WIDEST: usize = 80;

/// A list.
pub fn list(page: &Value, columns: &[Column]) -> Result<()> {
    let items: Vec<&Value> = page["data"].as_array().into_iter().flatten().collect();
    if items.is_empty() && page["next_cursor"].is_null() {
        return output::line("none");
    }
    let head = columns.iter().map(|column| column.title.to_owned()).collect();
    let rows = items.into_iter().map(|item| {
        columns.iter().map(|column| shorten(cell(item.pointer(column.pointer).unwrap_or(&Value::Null)))).collect()
    });
    for line in aligned(&std::iter::once(head).chain(rows).collect::<Vec<Vec<String>>>()) {
        output::line(&line)?;
    }
    if let Some(cursor) = page["next_cursor"].as_str() {
        output::line(&format!("more: --cursor {cursor}"))?;
    }
    Ok(())
}

/// An object, a member a line; members of inner objects with dotted names.
pub fn object(value: &Value) -> Result<()> {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    for line in aligned(&rows) {
        output::line(&line)?;
    }
    Ok(())
}

fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            // What names the thing stands first; the rest in the order of the alphabet, to be found.
            let names_it = |member: &&String| member.as_str() == "id";
            let first = members.iter().filter(|(member, _)| names_it(member));
            for (member, value) in first.chain(members.iter().filter(|(member, _)| !names_it(member))) {
                let inner = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                flatten(&inner, value, rows);
            }
        }
        other => rows.push(vec![harmless(name), cell(other)]),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => harmless(text),
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number()) => {
            if items.is_empty() {
                "-".to_owned()
            } else {
                items.iter().map(cell).collect::<Vec<_>>().join(", ")
            }
        }
        other => harmless(&other.to_string()),
    }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= WIDEST {
        return text;
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// Columns as wide as their widest cell, two spaces apart.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_flattened_and_aligned() {
        let mut rows = Vec::new();
        flatten(
            "",
            &json!({"id": "ep_1", "retry": {"factor": 2, "schedule_seconds": [5, 300]}, "headers": {}, "x": null}),
            &mut rows,
        );
        assert_eq!(
            aligned(&rows),
            [
                "id                      ep_1",
                "headers                 {}",
                "retry.factor            2",
                "retry.schedule_seconds  5, 300",
                "x                       -",
            ]
        );
    }
}
