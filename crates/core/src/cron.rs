//! Cron expressions in a time zone: when a schedule is due.
//!
//! Five fields (minute, hour, day of month, month, day of week) or six (a second before them), or `@yearly`, `@annually`,
//! `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`. A field is a list of values, ranges (`1-5`), and steps of a
//! range or of all (`0-30/10`, `*/15`); months and days of the week have names (`JAN`, `MON`), Sunday is 0 and 7.
//!
//! The rules are those of Vixie's cron:
//!
//! * If the day of the month and the day of the week are both restricted, a day needs to match only one of them. A field
//!   that begins with `*` restricts nothing in this sense: then both must match.
//! * Where the clock jumps ahead, a job at fixed times that falls into the gap is due right after it, once. Where the
//!   clock goes back, a job at fixed times is due the first time only. A job with `*` (or `*/n`) for seconds, minutes or
//!   hours follows the clock instead: what the clock does not show is not due, what it shows twice is due twice.
//!
//! No library was found that promises these rules: `croner` 4, whose source was read, holds the one for gaps only for a
//! single time, so that `30 2,14 * * *` would lose its 02:30; the documents of `jiff-cron` and `cronexpr` promise none.
//! What they accept beyond this (`L`, `W`, `#`, years) could never be taken back.

mod calendar;
mod describe;
mod missed;
mod parse;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::time::Timestamp;
use calendar::Fields;

pub use missed::{GRACE, MAX_OWED, Owed, owed};

/// The longest expression, in bytes.
pub const MAX_BYTES: usize = 256;

/// How many changes of a zone's offset are looked across for the next due time. Zones change a few times a year.
const MAX_TRANSITIONS: usize = 1_000;

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    fields: Fields,
    zone: TimeZone,
    zone_name: String,
}

/// Why an expression or a zone is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCron {
    /// The expression; the sentence names its field.
    #[error("{0}")]
    Expression(String),
    /// The zone.
    #[error("`{0}` is no time zone: give an IANA name such as Europe/Berlin, or UTC")]
    Zone(String),
}

impl Cron {
    /// Reads an expression and finds its zone among the IANA names. One that can never be due is refused.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, InvalidCron> {
        let fields = parse::fields(expression)?;
        // jiff also reads POSIX rules and offsets elsewhere; `get` knows names alone.
        let found = TimeZone::get(zone).map_err(|_| InvalidCron::Zone(zone.chars().take(64).collect()))?;
        Ok(Self { fields, zone: found, zone_name: zone.to_owned() })
    }

    /// The first instant after `instant` at which it is due; `None` if there is none in the next century.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_microsecond(instant.as_micros()).ok()?;
        let next = if self.fields.follows_clock { self.next_shown(instant) } else { self.next_fixed(instant) };
        next.map(|at| Timestamp::from_micros(at.as_microsecond()))
    }

    /// The expression in words, as in `at 02:30, on Monday to Friday (Europe/Berlin)`.
    pub fn describe(&self) -> String {
        format!("{} ({})", describe::words(&self.fields), self.zone_name)
    }

    /// The next time for a job at fixed times: each time of the calendar stands for one instant. Instants follow one
    /// another as the times do, except that all in a gap share the instant after it; so the first that is late enough is
    /// the answer.
    fn next_fixed(&self, instant: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let mut time = self.zone.to_datetime(instant);
        loop {
            time = self.fields.next_after(time)?;
            let at = self.instant_of(time)?;
            if at > instant {
                return Some(at);
            }
        }
    }

    /// The instant of a time of the calendar: the first of two, and the end of the gap for one that never was.
    fn instant_of(&self, time: DateTime) -> Option<jiff::Timestamp> {
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(time).ok()
            }
            AmbiguousOffset::Gap { before, after } => {
                // Read with the later offset it lies before the change, with the earlier one after it.
                let start = after.to_timestamp(time).ok()?;
                let change = self.zone.following(start).next().map(|change| change.timestamp());
                change.or_else(|| before.to_timestamp(time).ok())
            }
        }
    }

    /// The next instant at which the clock shows a matching time: stretch by stretch of one offset.
    fn next_shown(&self, instant: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let mut start = instant;
        let mut time = self.zone.to_datetime(instant);
        for _ in 0..MAX_TRANSITIONS {
            let offset = self.zone.to_offset(start);
            let change = self.zone.following(start).next().map(|change| change.timestamp());
            let shown = self.fields.next_after(time).and_then(|time| offset.to_timestamp(time).ok());
            match (shown, change) {
                (Some(at), Some(change)) if at >= change => {
                    start = change;
                    // The first moment of the new stretch counts too.
                    time = self.zone.to_datetime(change).checked_sub(jiff::Span::new().seconds(1)).ok()?;
                }
                (shown, _) => return shown,
            }
        }
        None
    }
}
