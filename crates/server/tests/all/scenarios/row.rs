//! What a row of the table is made of. Nothing here knows a transport's words: names and shapes are those of docs/api.md.

use serde_json::{Map, Value};

/// A way into the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Rest,
    Grpc,
    Graphql,
}

pub const TRANSPORTS: [Transport; 3] = [Transport::Rest, Transport::Grpc, Transport::Graphql];

/// Whose key a step shows. Each row has a tenant of its own on each transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// May do everything in the row's tenant.
    Owner,
    /// May only read it.
    Reader,
    /// May only publish in it.
    Publisher,
    /// May only change its endpoints and what belongs to them.
    Keeper,
    /// May do everything in another tenant.
    Stranger,
    /// The server's administrator.
    Root,
    /// Shows a key that nobody knows.
    Unknown,
    /// Shows no key.
    Nobody,
}

/// What is asked of the server.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The operation.
    pub does: &'static str,
    /// Of which object.
    pub id: Option<String>,
    /// What REST has in the query string: filters, the page, the tenant of a `uid:…`.
    pub with: Map<String, Value>,
    /// The document.
    pub body: Option<Value>,
    /// Only if the object still has this revision.
    pub if_revision: Option<u32>,
}

/// What came of it, in REST's words.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Answer(Value),
    Problem(Problem),
}

/// A refusal: the stable word, the status that REST has for it, and the members that it names, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: String,
    pub status: u16,
    pub pointers: Vec<String>,
}

/// What must come of a step.
#[derive(Debug, Clone)]
pub enum Expected {
    /// An answer that has at least these members.
    Answer(Value),
    /// This refusal.
    Problem(Problem),
    /// The transport has no words for the step.
    Inexpressible,
}

/// One call and what must come of it.
#[derive(Debug, Clone)]
pub struct Step {
    pub who: Who,
    pub call: Call,
    pub expected: Expected,
    /// Where a transport must answer otherwise, and why.
    pub exceptions: Vec<(Transport, Expected, &'static str)>,
    /// Repeated until the answer is as expected.
    pub waits: bool,
    /// Under which name the answer is kept for later steps: `$name.member`.
    pub keeps: Option<&'static str>,
    /// Waits for the token of a challenge first, and keeps it as `$token`.
    pub takes_token: bool,
}

/// A sequence of steps.
pub struct Row {
    /// The sentence that it proves.
    pub name: &'static str,
    pub steps: Vec<Step>,
}

pub fn row(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Row {
    Row { name, steps: steps.into_iter().collect() }
}

/// A step of the owner's that is answered with anything.
pub fn does(operation: &'static str) -> Step {
    Step {
        who: Who::Owner,
        call: Call { does: operation, ..Call::default() },
        expected: Expected::Answer(Value::Null),
        exceptions: Vec::new(),
        waits: false,
        keeps: None,
        takes_token: false,
    }
}

/// A refusal of a row.
pub fn problem(code: &str, status: u16, pointers: &[&str]) -> Problem {
    let mut pointers: Vec<String> = pointers.iter().map(|&pointer| pointer.to_owned()).collect();
    pointers.sort_unstable();
    Problem { code: code.to_owned(), status, pointers }
}

impl Step {
    pub fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    pub fn id(mut self, id: &str) -> Self {
        self.call.id = Some(id.to_owned());
        self
    }

    pub fn with(mut self, parameters: Value) -> Self {
        let Value::Object(parameters) = parameters else { panic!("parameters have names: {parameters}") };
        self.call.with = parameters;
        self
    }

    pub fn body(mut self, body: Value) -> Self {
        self.call.body = Some(body);
        self
    }

    pub fn if_revision(mut self, revision: u32) -> Self {
        self.call.if_revision = Some(revision);
        self
    }

    pub fn answers(mut self, members: Value) -> Self {
        self.expected = Expected::Answer(members);
        self
    }

    /// Is asked again until the answer has these members.
    pub fn comes_to(self, members: Value) -> Self {
        Self { waits: true, ..self.answers(members) }
    }

    /// A rule is broken; these members are named.
    pub fn names(self, pointers: &[&str]) -> Self {
        self.refused("invalid", 422, pointers)
    }

    pub fn refused(mut self, code: &str, status: u16, pointers: &[&str]) -> Self {
        self.expected = Expected::Problem(problem(code, status, pointers));
        self
    }

    pub fn keep(mut self, name: &'static str) -> Self {
        self.keeps = Some(name);
        self
    }

    pub fn takes_token(mut self) -> Self {
        self.takes_token = true;
        self
    }

    /// This transport cannot say it.
    pub fn cannot(mut self, transport: Transport, why: &'static str) -> Self {
        self.exceptions.push((transport, Expected::Inexpressible, why));
        self
    }

    /// The types of GraphQL refuse it before the engine sees it.
    pub fn untyped_in_graphql(mut self, why: &'static str) -> Self {
        let refused = Expected::Problem(problem("invalid_query", 400, &[]));
        self.exceptions.push((Transport::Graphql, refused, why));
        self
    }

    /// What must come of it on this transport, and whether that is what comes of it elsewhere.
    pub fn expected_on(&self, transport: Transport) -> (&Expected, bool) {
        let exception = self.exceptions.iter().find(|(on, _, _)| *on == transport);
        exception.map_or((&self.expected, true), |(_, expected, _)| (expected, false))
    }
}
