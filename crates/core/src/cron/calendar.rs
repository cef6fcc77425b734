//! The fields of an expression as sets of bits, and the next time of the calendar that is in all of them. No zone here.

use jiff::civil::{Date, DateTime, Time};

/// How many years ahead is looked. The rarest feasible date is a 29 February on one day of the week: every 28 years, and
/// 40 around a year such as 2100.
const MAX_YEARS: i16 = 100;

/// What an expression allows. Bit `n` of a set is the value `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    pub seconds: u64,
    pub minutes: u64,
    pub hours: u64,
    pub days: u64,
    pub months: u64,
    /// Sunday is 0.
    pub weekdays: u64,
    /// The day of the month and the day of the week must both match, because one of them begins with `*`.
    pub both_days: bool,
    /// Seconds, minutes or hours begin with `*`.
    pub follows_clock: bool,
}

/// The least member of a set from `from` on.
fn least(set: u64, from: u32) -> Option<u32> {
    let rest = set.checked_shr(from)? << from;
    (rest != 0).then(|| rest.trailing_zeros())
}

impl Fields {
    /// Whether there is any day that matches.
    pub fn feasible(&self) -> bool {
        let longest = |month: u32| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let first = self.days.trailing_zeros();
        !self.both_days || (1..=12).any(|month| self.months & (1 << month) != 0 && first <= longest(month))
    }

    /// The first matching time after `time`, to the second.
    pub fn next_after(&self, time: DateTime) -> Option<DateTime> {
        let whole = time.date().at(time.hour(), time.minute(), time.second(), 0);
        let start = whole.checked_add(jiff::Span::new().seconds(1)).ok()?;
        let mut date = start.date();
        let last_year = start.year().saturating_add(MAX_YEARS);
        if self.matches_day(date)
            && let Some(time) = self.time_from(start.time())
        {
            return Some(date.to_datetime(time));
        }
        loop {
            date = self.later_day(date)?;
            if date.year() > last_year {
                return None;
            }
            if self.matches_day(date) {
                return self.time_from(Time::midnight()).map(|time| date.to_datetime(time));
            }
        }
    }

    /// Tomorrow, or the first of the next month if nothing in this one can match.
    fn later_day(&self, date: Date) -> Option<Date> {
        if self.matches_month(date) {
            return date.tomorrow().ok();
        }
        date.last_of_month().tomorrow().ok()
    }

    fn matches_month(&self, date: Date) -> bool {
        self.months & (1 << date.month()) != 0
    }

    fn matches_day(&self, date: Date) -> bool {
        let day = self.days & (1 << date.day()) != 0;
        let weekday = self.weekdays & (1 << date.weekday().to_sunday_zero_offset()) != 0;
        self.matches_month(date) && if self.both_days { day && weekday } else { day || weekday }
    }

    /// The first matching time of a day, from `from` on.
    fn time_from(&self, from: Time) -> Option<Time> {
        let (hour, minute, second) = (number(from.hour()), number(from.minute()), number(from.second()));
        let first = |set: u64| set.trailing_zeros();
        let same_minute = || least(self.seconds, second).map(|second| (hour, minute, second));
        let same_hour = || least(self.minutes, minute + 1).map(|minute| (hour, minute, first(self.seconds)));
        let later = || least(self.hours, hour + 1).map(|hour| (hour, first(self.minutes), first(self.seconds)));
        let in_hour = self.hours & (1 << hour) != 0;
        let in_minute = in_hour && self.minutes & (1 << minute) != 0;
        let (hour, minute, second) =
            in_minute.then(same_minute).flatten().or_else(|| in_hour.then(same_hour).flatten()).or_else(later)?;
        let narrow = |value: u32| i8::try_from(value).ok();
        Time::new(narrow(hour)?, narrow(minute)?, narrow(second)?, 0).ok()
    }
}

/// A part of a time, which is never negative.
fn number(part: i8) -> u32 {
    u32::from(part.unsigned_abs())
}
