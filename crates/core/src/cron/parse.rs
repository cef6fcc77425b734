//! From the text of an expression to its fields.

use super::calendar::Fields;
use super::{InvalidCron, MAX_BYTES};

/// One field: its name in errors, its bounds, and the names of its values.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", min: 0, max: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Field = Field { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const WEEKDAY: Field =
    Field { name: "day of week", min: 0, max: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

fn refuse<T>(detail: String) -> Result<T, InvalidCron> {
    Err(InvalidCron::Expression(detail))
}

/// Reads an expression.
pub fn fields(expression: &str) -> Result<Fields, InvalidCron> {
    if expression.len() > MAX_BYTES {
        return refuse(format!("the expression is too long: it may have {MAX_BYTES} bytes"));
    }
    let expression = expression.trim();
    let plain = if expression.starts_with('@') { nickname(expression)? } else { expression };
    let parts: Vec<&str> = plain.split_ascii_whitespace().collect();
    let (second, rest) = match parts.as_slice() {
        [_, _, _, _, _] => ("0", &parts[..]),
        [second, rest @ ..] if rest.len() == 5 => (*second, rest),
        _ => {
            return refuse(format!(
                "{} fields: give 5 (minute, hour, day of month, month, day of week), or 6 with a second before them",
                parts.len()
            ));
        }
    };
    let stars = |part: &str| part.starts_with('*');
    let weekdays = WEEKDAY.set(rest[4])?;
    let fields = Fields {
        seconds: SECOND.set(second)?,
        minutes: MINUTE.set(rest[0])?,
        hours: HOUR.set(rest[1])?,
        days: DAY.set(rest[2])?,
        months: MONTH.set(rest[3])?,
        // 7 is Sunday as well.
        weekdays: (weekdays | weekdays >> 7) & 0x7F,
        both_days: stars(rest[2]) || stars(rest[4]),
        follows_clock: stars(second) || stars(rest[0]) || stars(rest[1]),
    };
    if fields.feasible() {
        Ok(fields)
    } else {
        refuse(format!("it never fires: none of the months `{}` has the days `{}`", rest[3], rest[2]))
    }
}

fn nickname(expression: &str) -> Result<&'static str, InvalidCron> {
    Ok(match expression.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            return refuse(format!(
                "unknown `{expression}`: use @yearly, @monthly, @weekly, @daily, @hourly or five fields"
            ));
        }
    })
}

impl Field {
    fn set(&self, text: &str) -> Result<u64, InvalidCron> {
        text.split(',').try_fold(0, |set, entry| Ok(set | self.entry(entry)?))
    }

    /// `*`, `n`, `a-b`, each but the single value perhaps with a step.
    fn entry(&self, entry: &str) -> Result<u64, InvalidCron> {
        let (range, step) = match entry.split_once('/') {
            Some((range, step)) => (range, Some(self.step(entry, step)?)),
            None => (entry, None),
        };
        let (first, last) = match range.split_once('-') {
            // Of the two Sundays a step over all of the week counts the first.
            None if range == "*" => (self.min, self.max - u32::from(self.max == WEEKDAY.max)),
            None if step.is_some() => {
                return refuse(format!(
                    "{}: `{entry}` steps from a single value: write `{range}-{}` before the step",
                    self.name, self.max
                ));
            }
            None => (self.value(entry, range)?, self.value(entry, range)?),
            Some((first, last)) => {
                let (first, last) = (self.value(entry, first)?, self.value(entry, last)?);
                // A week that ends with Sunday.
                if self.max == WEEKDAY.max && last == 0 && first > 0 { (first, 7) } else { (first, last) }
            }
        };
        if first > last {
            return refuse(format!("{}: the range `{entry}` runs backwards: write two ranges", self.name));
        }
        Ok((first..=last).step_by(step.unwrap_or(1)).fold(0, |set, value| set | 1 << value))
    }

    fn step(&self, entry: &str, step: &str) -> Result<usize, InvalidCron> {
        match digits(step) {
            Some(step) if (1..=self.max).contains(&step) => Ok(usize::try_from(step).unwrap_or(1)),
            _ => refuse(format!("{}: the step of `{entry}` is no number from 1 to {}", self.name, self.max)),
        }
    }

    fn value(&self, entry: &str, text: &str) -> Result<u32, InvalidCron> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = named.and_then(|index| u32::try_from(index).ok()).map(|index| index + self.min);
        match value.or_else(|| digits(text)) {
            Some(value) if (self.min..=self.max).contains(&value) => Ok(value),
            _ => {
                let names = match self.names {
                    [first, .., last] => format!(" or {first} to {last}"),
                    _ => String::new(),
                };
                let (name, min, max) = (self.name, self.min, self.max);
                refuse(format!("{name}: `{entry}` is not understood: use {min} to {max}{names}, `*`, `-`, `/` and `,`"))
            }
        }
    }
}

/// One or two digits.
fn digits(text: &str) -> Option<u32> {
    let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}
