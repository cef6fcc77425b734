//! An expression in words, for people who do not read cron.

use super::calendar::Fields;

const MONTHS: [&str; 13] = [
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Up to how many times of a day are written out.
const TIMES_WRITTEN_OUT: usize = 4;

/// The whole expression without its zone.
pub fn words(fields: &Fields) -> String {
    let mut parts = vec![time(fields)];
    parts.extend(days(fields));
    parts.extend(months(fields));
    parts.join(", ")
}

/// A set of values as people would say it.
enum Said {
    All,
    /// Every so many, from the first value on.
    Every(u32),
    /// As a list, and how many there are.
    List(String, u32),
}

fn said(set: u64, min: u32, max: u32, name: impl Fn(u32) -> String) -> Said {
    let values: Vec<u32> = (min..=max).filter(|value| set & (1 << value) != 0).collect();
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
    if count == max - min + 1 {
        return Said::All;
    }
    if let [first, second, third, ..] = values[..] {
        let step = second - first;
        let even = step > 1 && third - second == step && values.windows(2).all(|pair| pair[1] - pair[0] == step);
        if even && first == min && values.last().is_some_and(|last| last + step > max) {
            return Said::Every(step);
        }
    }
    Said::List(list(&runs(&values), name), count)
}

/// Neighbours together.
fn runs(values: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &value in values {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == value => *last = value,
            _ => runs.push((value, value)),
        }
    }
    runs
}

fn list(runs: &[(u32, u32)], name: impl Fn(u32) -> String) -> String {
    let said = |(first, last): &(u32, u32)| match last - first {
        0 => name(*first),
        1 => format!("{} and {}", name(*first), name(*last)),
        _ => format!("{} to {}", name(*first), name(*last)),
    };
    joined(&runs.iter().map(said).collect::<Vec<_>>(), "and")
}

fn joined(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

fn members(set: u64) -> impl Iterator<Item = u32> + Clone {
    (0..64).filter(move |value| set & (1 << value) != 0)
}

fn time(fields: &Fields) -> String {
    let on_the_minute = fields.seconds == 1;
    let times = members(fields.hours).flat_map(|hour| members(fields.minutes).map(move |minute| (hour, minute)));
    if members(fields.seconds).count() == 1 && times.clone().count() <= TIMES_WRITTEN_OUT {
        let second = fields.seconds.trailing_zeros();
        let clock = |(hour, minute): (u32, u32)| match second {
            0 => format!("{hour:02}:{minute:02}"),
            second => format!("{hour:02}:{minute:02}:{second:02}"),
        };
        return format!("at {}", joined(&times.map(clock).collect::<Vec<_>>(), "and"));
    }
    let mut parts = Vec::new();
    let seconds = said(fields.seconds, 0, 59, |value| value.to_string());
    let of_the_minute = matches!(seconds, Said::List(..)) && !on_the_minute;
    match seconds {
        Said::All => parts.push("every second".to_owned()),
        Said::Every(step) => parts.push(format!("every {step} seconds")),
        Said::List(..) if on_the_minute => {}
        Said::List(text, count) => parts.push(format!("at {} {text}", plural("second", count))),
    }
    let minutes = said(fields.minutes, 0, 59, |value| value.to_string());
    let of_the_hour = matches!(minutes, Said::List(..));
    match minutes {
        Said::All if on_the_minute => parts.push("every minute".to_owned()),
        Said::All if of_the_minute => parts.push("of every minute".to_owned()),
        Said::All => {}
        Said::Every(step) => parts.push(format!("every {step} minutes")),
        Said::List(text, count) => parts.push(format!("at {} {text}", plural("minute", count))),
    }
    match said(fields.hours, 0, 23, |value| value.to_string()) {
        Said::All if of_the_hour => parts.push("of every hour".to_owned()),
        Said::All => {}
        Said::Every(step) => parts.push(format!("of every {} hour from midnight on", ordinal(step))),
        Said::List(text, count) => parts.push(format!("in {} {text}", plural("hour", count))),
    }
    parts.join(" ")
}

fn plural(word: &str, count: u32) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn days(fields: &Fields) -> Option<String> {
    let weekday = |value: u32| WEEKDAYS.get(value as usize).copied().unwrap_or_default().to_owned();
    let weekdays = match said(fields.weekdays, 0, 6, weekday) {
        Said::All => None,
        // Four days or so are clearer by their names than by a step.
        Said::Every(_) => {
            Some(format!("on {}", joined(&members(fields.weekdays).map(weekday).collect::<Vec<_>>(), "and")))
        }
        Said::List(text, _) => Some(format!("on {text}")),
    };
    let days = match said(fields.days, 1, 31, |value| value.to_string()) {
        Said::All => None,
        Said::Every(step) => Some(format!("on every {} day of the month from its first", ordinal(step))),
        Said::List(text, count) => Some(format!("on {} {text} of the month", plural("day", count))),
    };
    match (days, weekdays) {
        // Either is enough, and one of them is every day.
        (None, _) | (_, None) if !fields.both_days => None,
        (Some(days), Some(weekdays)) if fields.both_days => Some(format!("{days} if that is {}", &weekdays[3..])),
        (Some(days), Some(weekdays)) => Some(format!("{days} or {weekdays}")),
        (days, weekdays) => days.or(weekdays),
    }
}

fn months(fields: &Fields) -> Option<String> {
    let month = |value: u32| MONTHS.get(value as usize).copied().unwrap_or_default().to_owned();
    match said(fields.months, 1, 12, month) {
        Said::All => None,
        Said::Every(_) => Some(format!("in {}", joined(&members(fields.months).map(month).collect::<Vec<_>>(), "and"))),
        Said::List(text, _) => Some(format!("in {text}")),
    }
}
