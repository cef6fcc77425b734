//! The three sources of an option: the flag, `POSTHASTE_…` in the environment, a key of `posthaste.toml`.
//!
//! Clap knows two of them and a default; the file is put in as the default. So there is one rule of precedence, one
//! parser for every source, and an option that is added has all three by itself. Only the options of running a program
//! are configuration (`serve`, `migrate`, `doctor`, `rekey`, and those of every command); what one call of the API says is not: a topic
//! out of a forgotten environment variable would be a trap.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::OsStr};

use crate::failure::{Failure, Result};

/// The file that is read if none is named.
const FILE: &str = "posthaste.toml";
/// The commands whose options are configuration, beside those of every command.
const CONFIGURED: [&str; 4] = ["serve", "migrate", "doctor", "rekey"];
/// What begins the name of every environment variable.
const PREFIX: &str = "POSTHASTE_";

/// Parses a command line with the environment and the file behind it.
pub fn parse(command: Command, arguments: &[OsString]) -> std::result::Result<ArgMatches, Stop> {
    let command = with_environment(command);
    // The first pass finds the file and ends what is wrong or asks for help; nothing is required that a file could give.
    let first = command.clone().try_get_matches_from(arguments)?;
    let named = first.get_one::<PathBuf>("config").cloned();
    let Some((path, text)) = read(named.as_deref())? else { return Ok(first) };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let message = error.message().to_owned();
        Failure::new(format!("{} is not TOML: {message}{}", path.display(), place(&text, &error)))
    })?;
    Ok(with_file(command, &path, table)?.try_get_matches_from(arguments)?)
}

/// Why no command was parsed.
#[derive(Debug)]
pub enum Stop {
    /// Wrong usage, or help was asked for.
    Usage(clap::Error),
    /// The file is wrong.
    File(Failure),
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::File(failure)
    }
}

/// Names the environment variable of every option that is configuration. Values are not shown in `--help`: some are
/// secrets.
fn with_environment(command: Command) -> Command {
    let variable = |arg: Arg| match arg.get_long() {
        Some(long) if is_option(&arg) => {
            let name = format!("{PREFIX}{}", long.replace('-', "_").to_uppercase());
            arg.env(OsStr::from(name)).hide_env_values(true)
        }
        _ => arg,
    };
    CONFIGURED.into_iter().fold(command.mut_args(variable), |command, name| {
        command.mut_subcommand(name, |configured| configured.mut_args(variable))
    })
}

fn is_option(arg: &Arg) -> bool {
    !matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version)
}

/// The file's text. Only a file that was named has to be there.
fn read(named: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
    let path = named.unwrap_or_else(|| Path::new(FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => Err(Failure::new(format!("the configuration file {} cannot be read: {error}", path.display()))),
    }
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(String::new, |before| format!(" (line {})", before.matches('\n').count() + 1))
}

/// Puts the file's values in the place of the defaults.
fn with_file(mut command: Command, path: &Path, table: toml::Table) -> Result<Command> {
    for (key, value) in table {
        let long = key.replace('_', "-");
        let values = texts(&value).ok_or_else(|| {
            Failure::new(format!("{}: `{key}` must be a text, a number, a boolean or a list of those", path.display()))
        })?;
        let mut found = false;
        command = in_place(command, &long, &values, &mut found)
            .map_err(|reason| Failure::new(format!("{}: `{key}`: {reason}", path.display())))?;
        for name in CONFIGURED {
            let Some(configured) = command.find_subcommand_mut(name) else { continue };
            let owned = std::mem::replace(configured, Command::new(name));
            *configured = in_place(owned, &long, &values, &mut found)
                .map_err(|reason| Failure::new(format!("{}: `{key}`: {reason}", path.display())))?;
        }
        if !found {
            return Err(Failure::new(format!(
                "{}: there is no option `{key}`; `posthaste serve --help` lists them all",
                path.display()
            )));
        }
    }
    Ok(command)
}

/// Sets the default of the command's option of this name, if it has one.
fn in_place(command: Command, long: &str, values: &[String], found: &mut bool) -> std::result::Result<Command, String> {
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(long) && is_option(arg)) else {
        return Ok(command);
    };
    // The file cannot name another file.
    if long == "config" {
        return Ok(command);
    }
    *found = true;
    check(arg, values)?;
    let id = arg.get_id().clone();
    let values: Vec<OsStr> = values.iter().map(OsStr::from).collect();
    Ok(command.mut_arg(id, |arg| arg.default_values(values)))
}

/// Tries the values on the option alone, so that the message can name the file instead of a flag nobody gave.
fn check(arg: &Arg, values: &[String]) -> std::result::Result<(), String> {
    let many = matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some();
    if values.len() > 1 && !many {
        return Err("one value is meant, not a list".to_owned());
    }
    let alone = Command::new(FILE).no_binary_name(true).arg(arg.clone().global(false));
    let long = arg.get_long().unwrap_or_default();
    let arguments = values.iter().map(|value| format!("--{long}={value}"));
    alone.try_get_matches_from(arguments).map(drop).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    })
}

fn texts(value: &toml::Value) -> Option<Vec<String>> {
    let one = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(is) => Some(is.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    match value {
        toml::Value::Array(items) => items.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    }
}
