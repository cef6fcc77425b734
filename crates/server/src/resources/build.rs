//! Short forms for the table's entries.

use super::{Action, Column, Field, Kind, Method, Shows};

/// An option.
pub const fn field(flag: &'static str, name: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { flag, name, kind, help }
}

/// A column.
pub const fn column(title: &'static str, pointer: &'static str) -> Column {
    Column { title, pointer }
}

/// Makes one; the subject stands without a flag.
pub const fn create(about: &'static str, subject: Field, members: &'static [Field]) -> Action {
    Action {
        name: "create",
        about,
        method: Method::Post,
        path: "",
        subject: Some(subject),
        members,
        parameters: &[],
        shows: Shows::Object,
    }
}

/// Lists them.
pub const fn list(about: &'static str, parameters: &'static [Field], columns: &'static [Column]) -> Action {
    Action {
        name: "list",
        about,
        method: Method::Get,
        path: "",
        subject: None,
        members: &[],
        parameters,
        shows: Shows::List(columns),
    }
}

/// Shows one.
pub const fn show(about: &'static str, parameters: &'static [Field]) -> Action {
    Action {
        name: "show",
        about,
        method: Method::Get,
        path: "/{id}",
        subject: None,
        members: &[],
        parameters,
        shows: Shows::Object,
    }
}

/// Changes one.
pub const fn update(about: &'static str, members: &'static [Field], parameters: &'static [Field]) -> Action {
    Action {
        name: "update",
        about,
        method: Method::Patch,
        path: "/{id}",
        subject: None,
        members,
        parameters,
        shows: Shows::Object,
    }
}

/// Removes one.
pub const fn delete(about: &'static str, parameters: &'static [Field], done: &'static str) -> Action {
    Action {
        name: "delete",
        about,
        method: Method::Delete,
        path: "/{id}",
        subject: None,
        members: &[],
        parameters,
        shows: Shows::Done(done),
    }
}

/// Does something to one.
pub const fn verb(name: &'static str, about: &'static str, path: &'static str) -> Action {
    Action {
        name,
        about,
        method: Method::Post,
        path,
        subject: None,
        members: &[],
        parameters: &[TENANT],
        shows: Shows::Object,
    }
}

/// Whose.
pub const TENANT: Field = field("tenant", "tenant", Kind::Text, "Whose; without it the key's, else `default`");
/// From when on.
pub const SINCE: Field = field("since", "since", Kind::Text, "Only accepted at or after this time (RFC 3339)");
/// Until when.
pub const UNTIL: Field = field("until", "until", Kind::Text, "Only accepted before this time (RFC 3339)");
/// Of which topic.
pub const TOPIC: Field = field("topic", "topic", Kind::Text, "Only of this topic");
