//! Instants and spans. Instants are microseconds since 1970, UTC, as the database's clock shows them.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The farthest instant that is stored: 9999-12-31T23:59:59Z. "Never" for a lane that nobody should look at.
    pub const FAR_FUTURE: Self = Self(253_402_300_799_000_000);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// From the system's type; drivers use it.
    pub fn from_system(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
        }
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses RFC 3339 with any offset.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        // jiff accepts wider forms (a space, an annotation); RFC 3339's `T` and offset are demanded here.
        let stamp: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        if text.contains('[') || !text.contains(['T', 't']) {
            return Err(InvalidTimestamp);
        }
        let at = Self(stamp.as_microsecond());
        if at > Self::FAR_FUTURE { Err(InvalidTimestamp) } else { Ok(at) }
    }
}

/// Why a text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time such as 2026-01-31T08:30:00Z")]
pub struct InvalidTimestamp;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        fmt::Display::fmt(&stamp, f)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)).min(Self::FAR_FUTURE.0))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A span in seconds as users write it (`0.5`, `300`); never negative, never above about 68 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

impl Span {
    /// The longest span that is accepted, in seconds (2³¹ − 1).
    pub const MAX_SECONDS: f64 = 2_147_483_647.0;

    /// From whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(Duration::from_secs(seconds as u64))
    }

    /// From a number of seconds, fractions allowed.
    pub fn from_seconds(seconds: f64) -> Result<Self, InvalidSpan> {
        if seconds.is_finite() && (0.0..=Self::MAX_SECONDS).contains(&seconds) {
            // Whole microseconds: what the stores keep, so that a span read back is the span given.
            Ok(Self(Duration::from_micros(
                Duration::from_secs_f64(seconds).as_nanos().div_ceil(1_000).try_into().map_err(|_| InvalidSpan)?,
            )))
        } else {
            Err(InvalidSpan)
        }
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In seconds.
    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

/// Why a number is no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a span in seconds: expected a number from 0 to 2147483647")]
pub struct InvalidSpan;

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // `20`, not `20.0`: the form in which people write it.
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.as_seconds())
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_seconds(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let at = Timestamp::parse("2026-01-31T08:30:00.25+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-01-31T06:30:00.25Z");
        for bad in ["", "yesterday", "2026-01-31", "2026-01-31 08:30:00Z", "2026-01-31T08:30:00"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_are_seconds_with_fractions() {
        assert_eq!(serde_json::to_string(&Span::from_secs(20)).unwrap(), "20");
        assert_eq!(serde_json::to_string(&Span::from_seconds(0.5).unwrap()).unwrap(), "0.5");
        assert!(Span::from_seconds(-1.0).is_err());
        assert!(Span::from_seconds(f64::NAN).is_err());
    }
}
