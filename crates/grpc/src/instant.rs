//! Instants: `google.protobuf.Timestamp` outside, microseconds inside.

use posthaste_core::Timestamp;
use posthaste_engine::FieldError;

/// The largest number of nanoseconds in a timestamp.
const MAX_NANOS: i32 = 999_999_999;

/// As it is shown.
pub fn show(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(MAX_NANOS);
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// As the engine takes it; the error names the member.
pub fn read(given: Option<prost_types::Timestamp>, pointer: &str) -> Result<Option<Timestamp>, FieldError> {
    let Some(prost_types::Timestamp { seconds, nanos }) = given else { return Ok(None) };
    let wrong =
        || FieldError::new(pointer, "not a timestamp: give seconds since 1970 to 9999 and 0 to 999999999 nanos");
    if !(0..=MAX_NANOS).contains(&nanos) {
        return Err(wrong());
    }
    let micros = seconds.checked_mul(1_000_000).and_then(|micros| micros.checked_add(i64::from(nanos / 1_000)));
    let at = micros.map(Timestamp::from_micros).ok_or_else(wrong)?;
    if at < Timestamp::default() || at > Timestamp::FAR_FUTURE { Err(wrong()) } else { Ok(Some(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_as_they_went_and_nonsense_is_refused() {
        let at = Timestamp::from_micros(1_767_225_600_123_456);
        assert_eq!(read(Some(show(at)), "/at"), Ok(Some(at)));
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (-1, 0), (253_402_300_800, 0)] {
            let error = read(Some(prost_types::Timestamp { seconds, nanos }), "/at").unwrap_err();
            assert_eq!(error.pointer, "/at", "{seconds}.{nanos}");
        }
    }
}
