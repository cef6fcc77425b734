//! From the JSON that a caller wrote to the conditions that are evaluated.

use serde_json::{Map, Value};

use super::{Filter, FilterError, Leaf, MAX_DEPTH, MAX_SEGMENTS, MAX_TEXT_BYTES, MAX_VALUES};
use super::{Node, OrderTest, Path, Source, Test};

const OPERATORS: &str = "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $startsWith, $endsWith, $and, $or or $not";

impl Filter {
    /// Reads a filter. The error names the member that is wrong, by a pointer from the filter's own root.
    pub fn compile(filter: &Value) -> Result<Self, FilterError> {
        let mut bounds = Bounds { values: 0, text: 0 };
        bounds.measure(filter, "", 0)?;
        let Value::Object(members) = filter else {
            return Err(refuse("", "not an object: write {\"payload.total\": {\"$gte\": 100}}, or null for no filter"));
        };
        Ok(Self { root: group(members, &Scope::root())? })
    }
}

fn refuse(pointer: impl Into<String>, detail: impl Into<String>) -> FilterError {
    FilterError { pointer: pointer.into(), detail: detail.into() }
}

/// Counts before anything is built, so that no filter, however large, costs more than a look at its first values.
struct Bounds {
    values: usize,
    text: usize,
}

impl Bounds {
    fn measure(&mut self, value: &Value, pointer: &str, depth: usize) -> Result<(), FilterError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(refuse("", format!("the filter is too large: it may have {MAX_VALUES} values in all")));
        }
        if depth > MAX_DEPTH {
            return Err(refuse(pointer, format!("nested too deep: a filter may have {MAX_DEPTH} levels")));
        }
        match value {
            Value::String(text) => self.text(text.len())?,
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.measure(element, &format!("{pointer}/{index}"), depth + 1)?;
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.text(name.len())?;
                    self.measure(member, &below(pointer, name), depth + 1)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    fn text(&mut self, bytes: usize) -> Result<(), FilterError> {
        self.text += bytes;
        if self.text > MAX_TEXT_BYTES {
            let detail = format!("the filter is too large: its names and texts may have {MAX_TEXT_BYTES} bytes in all");
            return Err(refuse("", detail));
        }
        Ok(())
    }
}

/// The pointer to a member.
fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Where in the filter we are, and which value its members speak of.
struct Scope {
    pointer: String,
    /// The path so far; none at the root and in the lists of its `$and` and `$or`.
    path: Option<String>,
}

impl Scope {
    const fn root() -> Self {
        Self { pointer: String::new(), path: None }
    }

    /// The same value, elsewhere in the filter.
    fn at(&self, pointer: String) -> Self {
        Self { pointer, path: self.path.clone() }
    }
}

/// All members of an object: logic and operators, or paths.
fn group(members: &Map<String, Value>, scope: &Scope) -> Result<Node, FilterError> {
    let mut nodes = Vec::with_capacity(members.len());
    for (name, value) in members {
        let pointer = below(&scope.pointer, name);
        nodes.push(match (name.strip_prefix('$'), &scope.path) {
            (Some(_), _) => operator(name, value, &scope.at(pointer))?,
            (None, None) => condition(value, &Scope { pointer, path: Some(name.clone()) })?,
            (None, Some(path)) => condition(value, &Scope { pointer, path: Some(format!("{path}.{name}")) })?,
        });
    }
    Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
}

/// What a path must be: equal to a value, or as an object says.
fn condition(value: &Value, scope: &Scope) -> Result<Node, FilterError> {
    match (value, &scope.path) {
        (Value::Object(members), _) if members.is_empty() => {
            let detail = "an empty object says nothing: write a condition, such as {\"$exists\": true}";
            Err(refuse(scope.pointer.clone(), detail))
        }
        (Value::Object(members), Some(path)) => {
            let operators = members.keys().filter(|name| name.starts_with('$')).count();
            if operators != 0 && operators != members.len() {
                let detail = "operators and names side by side: put the names into a path of their own";
                return Err(refuse(scope.pointer.clone(), detail));
            }
            // A wrong beginning is better reported here than once for each name below it.
            root_of(path, &scope.pointer)?;
            group(members, scope)
        }
        (Value::Object(members), None) => group(members, scope),
        (_, None) => Err(refuse(scope.pointer.clone(), "not an object: give a filter")),
        (value, Some(_)) => leaf(Test::Eq(value.clone()), scope),
    }
}

fn operator(name: &str, value: &Value, scope: &Scope) -> Result<Node, FilterError> {
    match name {
        "$and" => Ok(Node::All(filters(name, value, scope)?)),
        "$or" => Ok(Node::Any { pointer: scope.pointer.clone(), nodes: filters(name, value, scope)? }),
        "$not" => Ok(Node::Not { pointer: scope.pointer.clone(), node: Box::new(condition(value, scope)?) }),
        _ if scope.path.is_none() => {
            let detail = format!("`{name}` needs a value to judge: write {{\"payload.total\": {{\"{name}\": …}}}}");
            Err(refuse(scope.pointer.clone(), detail))
        }
        _ => leaf(test(name, value, &scope.pointer)?, scope),
    }
}

fn filters(name: &str, value: &Value, scope: &Scope) -> Result<Vec<Node>, FilterError> {
    match value {
        Value::Array(elements) if !elements.is_empty() => elements
            .iter()
            .enumerate()
            .map(|(index, element)| condition(element, &scope.at(format!("{}/{index}", scope.pointer))))
            .collect(),
        _ => Err(refuse(scope.pointer.clone(), format!("`{name}` takes a list of one or more filters"))),
    }
}

fn test(name: &str, value: &Value, pointer: &str) -> Result<Test, FilterError> {
    let ordered = |test| match value {
        Value::Number(_) | Value::String(_) => Ok(Test::Order(test, value.clone())),
        _ => Err(refuse(pointer, format!("`{name}` compares with a number or a text"))),
    };
    let list = || match value {
        Value::Array(elements) => Ok(elements.clone()),
        _ => Err(refuse(pointer, format!("`{name}` takes a list of values"))),
    };
    let text = || match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(refuse(pointer, format!("`{name}` takes a text"))),
    };
    Ok(match name {
        "$eq" => Test::Eq(value.clone()),
        "$ne" => Test::Ne(value.clone()),
        "$gt" => ordered(OrderTest::Gt)?,
        "$gte" => ordered(OrderTest::Gte)?,
        "$lt" => ordered(OrderTest::Lt)?,
        "$lte" => ordered(OrderTest::Lte)?,
        "$in" => Test::In(list()?),
        "$nin" => Test::Nin(list()?),
        "$exists" => match value {
            Value::Bool(wanted) => Test::Exists(*wanted),
            _ => return Err(refuse(pointer, "`$exists` takes true or false")),
        },
        "$startsWith" => Test::StartsWith(text()?),
        "$endsWith" => Test::EndsWith(text()?),
        _ => return Err(refuse(pointer, format!("unknown operator `{name}`: use {OPERATORS}"))),
    })
}

fn leaf(test: Test, scope: &Scope) -> Result<Node, FilterError> {
    let text = scope.path.clone().unwrap_or_default();
    let source = root_of(&text, &scope.pointer)?.whole(&text, &scope.pointer)?;
    Ok(Node::Leaf(Leaf { pointer: scope.pointer.clone(), path: Path { text, source }, test }))
}

/// The first segment of a path, and the others.
struct Rooted {
    root: String,
    rest: Vec<String>,
}

fn root_of(path: &str, pointer: &str) -> Result<Rooted, FilterError> {
    let mut segments = segments(path, pointer)?;
    let root = segments.remove(0);
    match root.as_str() {
        "payload" | "headers" | "metadata" => Ok(Rooted { root, rest: segments }),
        "topic" if segments.is_empty() => Ok(Rooted { root, rest: segments }),
        "topic" => Err(refuse(pointer, "the topic is a text and has no members: write `topic`")),
        _ => {
            let detail = format!("`{path}` is no path: begin it with payload, topic, headers or metadata");
            Err(refuse(pointer, detail))
        }
    }
}

impl Rooted {
    /// The path, if it is one as a whole.
    fn whole(self, path: &str, pointer: &str) -> Result<Source, FilterError> {
        // Names of headers and of metadata are not nested: their dots are their own.
        let name = || self.rest.join(".");
        match self.root.as_str() {
            "topic" => Ok(Source::Topic),
            "payload" => Ok(Source::Payload(self.rest)),
            _ if self.rest.is_empty() => Err(refuse(pointer, format!("`{path}` needs a name: write `{path}.NAME`"))),
            "headers" => Ok(Source::Header(name().to_ascii_lowercase())),
            _ => Ok(Source::Metadata(name())),
        }
    }
}

/// Splits at the dots that no backslash stands before.
fn segments(path: &str, pointer: &str) -> Result<Vec<String>, FilterError> {
    let mut segments = vec![String::new()];
    let mut chars = path.chars();
    while let Some(char) = chars.next() {
        let taken = match char {
            '.' => {
                segments.push(String::new());
                continue;
            }
            '\\' => match chars.next() {
                Some(escaped @ ('.' | '\\')) => escaped,
                _ => return Err(refuse(pointer, "after a backslash comes a dot or a backslash")),
            },
            other => other,
        };
        if let Some(last) = segments.last_mut() {
            last.push(taken);
        }
    }
    if segments.len() > MAX_SEGMENTS {
        return Err(refuse(pointer, format!("the path is too long: it may have {MAX_SEGMENTS} segments")));
    }
    if segments.iter().any(String::is_empty) {
        return Err(refuse(pointer, format!("`{path}` has an empty segment: write \\. for a dot in a name")));
    }
    Ok(segments)
}
