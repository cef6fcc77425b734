//! What checking a payload against a schema may cost, judged before the schema is taken.
//!
//! A few lines of schema can ask for more work than a day has: definitions that refer to the next one twice double with
//! each step. So what a schema asks about one value, references followed, is counted and bounded. References from a
//! value to the values inside it are another matter: they are how trees are described, and a payload ends.

use std::collections::HashSet;

use serde_json::Value;

/// The most subschemas that one value may be checked against.
const MAX_PER_VALUE: usize = 2_000;

/// How deep a schema may nest.
const MAX_DEPTH: usize = 64;

/// What is known of a schema once it was looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// It refers to itself, so that what is wrong with a payload may have to be told in very many ways.
    pub recursive: bool,
}

/// Judges a schema; an error is the pointer to what is too much, and why.
pub fn judge(schema: &Value) -> Result<Cost, (String, String)> {
    let mut cost = Cost { recursive: false };
    let mut open = vec![(schema, String::new(), 0)];
    while let Some((value, pointer, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err((pointer, format!("nested too deep: a schema may have {MAX_DEPTH} levels")));
        }
        if value.is_object() {
            let mut left = MAX_PER_VALUE;
            if !fits(schema, value, &mut Vec::new(), &mut left) {
                let detail = format!("one value would be checked against more than {MAX_PER_VALUE} subschemas");
                return Err((pointer, detail));
            }
            cost.recursive |= value.as_object().is_some_and(|members| {
                members.contains_key("$dynamicRef")
                    || reference(schema, members).is_some_and(|to| leads_back(schema, to))
            });
        }
        match value {
            Value::Object(members) => open.extend(members.iter().map(|(name, member)| {
                (member, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), depth + 1)
            })),
            Value::Array(elements) => {
                let below = |(index, element)| (element, format!("{pointer}/{index}"), depth + 1);
                open.extend(elements.iter().enumerate().map(below));
            }
            _ => {}
        }
    }
    Ok(cost)
}

/// Counts what a schema asks about one value; `through` holds the references on the way here, which end a circle.
fn fits<'a>(root: &'a Value, schema: &'a Value, through: &mut Vec<&'a Value>, left: &mut usize) -> bool {
    let Value::Object(members) = schema else { return true };
    if *left == 0 {
        return false;
    }
    *left -= 1;
    let mut each = |schema: &'a Value| fits(root, schema, through, left);
    for (name, member) in members {
        let fit = match (name.as_str(), member) {
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter().all(&mut each),
            ("not" | "if" | "then" | "else", schema) => each(schema),
            ("dependentSchemas", Value::Object(schemas)) => schemas.values().all(&mut each),
            _ => true,
        };
        if !fit {
            return false;
        }
    }
    match reference(root, members) {
        Some(target) if !through.iter().any(|before| std::ptr::eq(*before, target)) => {
            through.push(target);
            let fit = fits(root, target, through, left);
            through.pop();
            fit
        }
        _ => true,
    }
}

/// The subschema that a `$ref` into this document names by a pointer. Names of other forms are found by the library; they
/// are not followed here.
fn reference<'a>(root: &'a Value, members: &'a serde_json::Map<String, Value>) -> Option<&'a Value> {
    let pointer = members.get("$ref")?.as_str()?.strip_prefix('#')?;
    root.pointer(pointer)
}

/// Whether a subschema can be reached from itself.
fn leads_back(root: &Value, start: &Value) -> bool {
    let mut seen: HashSet<*const Value> = HashSet::new();
    let mut open = vec![start];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                open.extend(members.values());
                if let Some(target) = reference(root, members) {
                    if std::ptr::eq(target, start) {
                        return true;
                    }
                    if seen.insert(target) {
                        open.push(target);
                    }
                }
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    false
}
