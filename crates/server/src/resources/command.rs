//! The table as a command line.

use clap::{Arg, ArgAction, Command};

use super::{Action, Call, Field, Kind, Resource, Shows};

/// The argument that names one thing.
pub const ID: &str = "id";
/// The option that sets any member.
pub const SET: &str = "set";
/// The option that gives the whole document.
pub const DOCUMENT: &str = "json";
/// The option that bounds a list.
pub const LIMIT: &str = "limit";
/// The option that goes on where a list ended.
pub const CURSOR: &str = "cursor";

/// The command of a resource.
pub fn of(resource: &'static Resource) -> Command {
    let command = Command::new(resource.name)
        .about(resource.about)
        .after_help(resource.examples)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    resource.actions.iter().fold(command, |command, action| command.subcommand(action_of(resource.id, action)))
}

/// The command of a call.
pub fn of_call(call: &'static Call) -> Command {
    action_of(call.id, &call.action).after_help(call.examples)
}

fn action_of(id: &'static str, action: &'static Action) -> Command {
    let mut command = Command::new(action.name).about(action.about);
    if action.has_id() {
        command = command.arg(Arg::new(ID).value_name(id).required(true));
    }
    if let Some(subject) = &action.subject {
        let name = subject.flag.to_uppercase();
        let argument = Arg::new(subject.name).value_name(name).help(subject.help);
        command = command.arg(argument.required_unless_present(DOCUMENT));
    }
    command = command.args(action.members.iter().chain(action.parameters).map(option));
    if action.is_open() {
        command = command
            .arg(
                Arg::new(SET)
                    .long(SET)
                    .value_name("MEMBER=JSON")
                    .action(ArgAction::Append)
                    .help("Any member of the document, nested ones with dots (retry.factor=3); may be repeated"),
            )
            .arg(
                Arg::new(DOCUMENT)
                    .long(DOCUMENT)
                    .value_name("JSON|@FILE|-")
                    .help("The whole document, which the other options then change"),
            );
    }
    if matches!(action.shows, Shows::List(_)) {
        command = command
            .arg(
                Arg::new(LIMIT)
                    .long(LIMIT)
                    .value_name("COUNT")
                    .default_value("50")
                    .value_parser(clap::value_parser!(u32).range(1..))
                    .help("At most so many"),
            )
            .arg(Arg::new(CURSOR).long(CURSOR).value_name("CURSOR").help("Go on where an earlier list ended"));
    }
    command
}

fn option(field: &Field) -> Arg {
    let arg = Arg::new(field.flag).long(field.flag).help(field.help);
    match field.kind {
        Kind::Flag => arg.action(ArgAction::SetTrue),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Number => arg.value_name("NUMBER").allow_negative_numbers(true),
        Kind::Json => arg.value_name("JSON|@FILE|-"),
        Kind::Texts => arg.value_name("TEXT").action(ArgAction::Append),
        Kind::Numbers => arg.value_name("NUMBER").action(ArgAction::Append),
        Kind::Headers => arg.value_name("HEADER").action(ArgAction::Append),
        Kind::Notes => arg.value_name("KEY=VALUE").action(ArgAction::Append),
    }
}
