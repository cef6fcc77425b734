//! The commands whose shape is the API's: `topics`, `endpoints`, `messages`, `deliveries`, `attempts`,
//! `schedules`, `replays`, `keys`.
//!
//! They are a table (`table`, `endpoints`, `schedules`, `calls`), not code: a resource has a path, columns and actions, an action a method, a path and
//! fields. `command` makes the command line out of it, `call` the request, `show` the answer. A new resource is a new
//! entry.

mod build;
pub mod call;
mod calls;
pub mod command;
mod endpoints;
mod schedules;
pub mod show;
mod table;

pub use calls::CALLS;
pub use table::ALL;

/// One kind of thing that the API has.
#[derive(Debug)]
pub struct Resource {
    /// The command, which is the path's word too.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Where it lies.
    pub path: &'static str,
    /// What its id is called in `--help`.
    pub id: &'static str,
    /// What can be done.
    pub actions: &'static [Action],
    /// How to begin.
    pub examples: &'static str,
}

/// One thing that can be done without naming a resource first.
#[derive(Debug)]
pub struct Call {
    /// Where.
    pub path: &'static str,
    /// What.
    pub action: Action,
    /// What its id is called in `--help`, if it has one.
    pub id: &'static str,
    /// How to begin.
    pub examples: &'static str,
}

/// One thing that can be done.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    /// The word.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// How.
    pub method: Method,
    /// Behind the resource's path; `{id}` is the argument of that name.
    pub path: &'static str,
    /// The member that stands without a flag, first.
    pub subject: Option<Field>,
    /// Members of the request's document.
    pub members: &'static [Field],
    /// Parameters.
    pub parameters: &'static [Field],
    /// What is shown.
    pub shows: Shows,
}

/// How an action asks. Not `http::Method`: that one cannot be taken apart in a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or does.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The same in HTTP's vocabulary.
    pub const fn http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }
}

/// An option that becomes a member or a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The option, without its dashes.
    pub flag: &'static str,
    /// Its name in the API.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is.
    pub help: &'static str,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Several texts, by repeating the option.
    Texts,
    /// A number.
    Number,
    /// Several numbers, by repeating the option.
    Numbers,
    /// JSON, `@FILE` or `-`.
    Json,
    /// `Name: value`, by repeating the option.
    Headers,
    /// `key=value`, by repeating the option.
    Notes,
    /// Nothing: it is there or not.
    Flag,
}

/// What an answer is shown as.
#[derive(Debug, Clone, Copy)]
pub enum Shows {
    /// An object, a member a line.
    Object,
    /// A list in these columns.
    List(&'static [Column]),
    /// A sentence; there is no answer to show.
    Done(&'static str),
}

/// One column of a list.
#[derive(Debug)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// Where its cell is found, as a JSON pointer.
    pub pointer: &'static str,
}

impl Action {
    /// Whether it is about one thing, by id.
    pub fn has_id(&self) -> bool {
        self.path.contains("{id}")
    }

    /// Whether it sends a document that may have more members than there are options for.
    pub fn is_open(&self) -> bool {
        self.method == Method::Patch || self.subject.is_some()
    }
}
