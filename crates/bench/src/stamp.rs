//! The payload of a benchmark message: a JSON object whose number and time stand at fixed places.
//!
//! `{"n":"<16 hex digits>","t":"<16 hex digits>","x":"aaaa…"}`: the sender overwrites the digits in a request that is
//! rendered once, and the receiver reads them without parsing. `n` is the message's number, `t` the nanosecond of the
//! benchmark's clock at which it was (or, at a fixed rate, should have been) sent.

const HEAD: &[u8] = b"{\"n\":\"";
const MIDDLE: &[u8] = b"\",\"t\":\"";
const FILL: &[u8] = b"\",\"x\":\"";
const TAIL: &[u8] = b"\"}";
const DIGITS: usize = 16;
const NUMBER_AT: usize = HEAD.len();
const TIME_AT: usize = NUMBER_AT + DIGITS + MIDDLE.len();

/// The smallest payload that has room for a stamp.
pub const SMALLEST: usize = TIME_AT + DIGITS + FILL.len() + TAIL.len();

/// Which message, sent when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The message's number.
    pub number: u64,
    /// When it was sent, in nanoseconds of the benchmark's clock.
    pub sent: u64,
}

/// An unstamped payload of exactly `bytes` bytes, or of [`SMALLEST`] if that is more.
pub fn blank(bytes: usize) -> Vec<u8> {
    let zeros = [b'0'; DIGITS];
    let mut payload = [HEAD, &zeros, MIDDLE, &zeros, FILL].concat();
    payload.resize(bytes.max(SMALLEST) - TAIL.len(), b'a');
    payload.extend_from_slice(TAIL);
    payload
}

/// Writes a stamp into a payload made by [`blank`].
pub fn write(payload: &mut [u8], stamp: Stamp) {
    write_hex(&mut payload[NUMBER_AT..NUMBER_AT + DIGITS], stamp.number);
    write_hex(&mut payload[TIME_AT..TIME_AT + DIGITS], stamp.sent);
}

/// Reads the stamp of a payload; nothing if it is not one of ours.
pub fn read(payload: &[u8]) -> Option<Stamp> {
    if !payload.starts_with(HEAD) || payload.len() < SMALLEST {
        return None;
    }
    let number = read_hex(&payload[NUMBER_AT..NUMBER_AT + DIGITS])?;
    let sent = read_hex(&payload[TIME_AT..TIME_AT + DIGITS])?;
    Some(Stamp { number, sent })
}

/// Writes a number as lower-case hexadecimal digits that fill `place`.
pub fn write_hex(place: &mut [u8], mut number: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in place.iter_mut().rev() {
        *digit = HEX[usize::from(number.to_le_bytes()[0] & 15)];
        number >>= 4;
    }
}

fn read_hex(place: &[u8]) -> Option<u64> {
    place.iter().try_fold(0, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_from_a_payload_that_is_json_of_the_size_asked_for() {
        for bytes in [SMALLEST, 512, 100_000] {
            let mut payload = blank(bytes);
            let stamp = Stamp { number: 0x1234_5678_9abc_def0, sent: u64::MAX };
            write(&mut payload, stamp);
            assert_eq!(payload.len(), bytes);
            assert_eq!(read(&payload), Some(stamp));
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap();
        }
    }

    #[test]
    fn a_size_too_small_for_a_stamp_is_raised() {
        assert_eq!(blank(1).len(), SMALLEST);
    }

    #[test]
    fn foreign_payloads_have_no_stamp() {
        assert_eq!(read(b""), None);
        assert_eq!(read(b"{\"n\":\"00\"}"), None);
        let mut payload = blank(512);
        payload[NUMBER_AT] = b'G';
        assert_eq!(read(&payload), None);
    }
}
