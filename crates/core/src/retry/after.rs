//! What a `Retry-After` header asks for.

use std::time::Duration;

use crate::time::Timestamp;

/// How long a `Retry-After` header asks to wait, seen from `now`: seconds, or one of the three HTTP dates of RFC 9110.
/// A date that is past asks for nothing (zero); what is neither is `None`. Not capped.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_ascii();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only overflow can fail here, and that is "very long".
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    http_date(value, now).map(|at| at.since(now))
}

/// An HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
/// The day of the week is skipped: it says nothing new, and receivers get it wrong.
fn http_date(value: &str, now: Timestamp) -> Option<Timestamp> {
    let (format, rest) = match value.split_once(',') {
        Some((_, rest)) if rest.contains('-') => ("%d-%b-%y %H:%M:%S GMT", rest),
        Some((_, rest)) => ("%d %b %Y %H:%M:%S GMT", rest),
        None => ("%b %e %H:%M:%S %Y", value.split_once(' ')?.1),
    };
    let civil = jiff::fmt::strtime::parse(format, rest.trim_ascii()).ok()?.to_datetime().ok()?;
    let at = Timestamp::from_micros(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond());
    // RFC 9110: two digits that appear to be more than 50 years ahead mean the same year of the century before.
    let half_century = Duration::from_hours(24 * 365 * 50);
    let past = format.contains("%y") && at > now + half_century;
    Some(if past { Timestamp::from_micros(0) } else { at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_one_of_three_dates() {
        let now = Timestamp::parse("1994-11-06T08:49:00Z").unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            ("  120\t", Some(120)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("Friday, 06-Nov-50 08:49:37 GMT", Some(0)),
            ("", None),
            (" ", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 PST", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994", None),
            ("1994-11-06T08:49:37Z", None),
            (",", None),
        ] {
            assert_eq!(parse_retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(value in "\\PC{0,40}", now in any::<i64>()) {
            parse_retry_after(&value, Timestamp::from_micros(now));
        }
    }
}
