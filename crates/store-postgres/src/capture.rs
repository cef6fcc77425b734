//! What was kept of a response, packed into one column: it is written with every exchange and read seldom.

use posthaste_core::Capture;

/// The form that this version writes.
const VERSION: u8 = 1;

/// Packs: version, whether the body went on, then each text with its length before it, the headers, the body.
pub(crate) fn pack(capture: &Capture) -> Vec<u8> {
    let headers: usize = capture.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let mut packed = Vec::with_capacity(16 + capture.http_version.len() + headers + capture.body.len());
    packed.extend_from_slice(&[VERSION, u8::from(capture.truncated)]);
    put(&mut packed, capture.http_version.as_bytes());
    put(&mut packed, capture.reason.as_bytes());
    put_length(&mut packed, capture.headers.len());
    for (name, value) in &capture.headers {
        put(&mut packed, name.as_bytes());
        put(&mut packed, value);
    }
    packed.extend_from_slice(&capture.body);
    packed
}

/// Reads what [`pack`] wrote; `None` if it is torn or of another version.
pub(crate) fn unpack(packed: &[u8]) -> Option<Capture> {
    let (&[version, truncated], mut rest) = packed.split_first_chunk::<2>()?;
    if version != VERSION {
        return None;
    }
    let http_version = text(&mut rest)?;
    let reason = text(&mut rest)?;
    let count = length(&mut rest)?;
    let mut headers = Vec::with_capacity(count.min(1_024));
    for _ in 0..count {
        headers.push((text(&mut rest)?, bytes(&mut rest)?.to_vec()));
    }
    Some(Capture { http_version, reason, headers, body: rest.to_vec(), truncated: truncated != 0 })
}

fn put(packed: &mut Vec<u8>, bytes: &[u8]) {
    put_length(packed, bytes.len());
    packed.extend_from_slice(bytes);
}

/// Seven bits a byte, the eighth says that more follow: most lengths take one.
fn put_length(packed: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        packed.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    packed.push(u8::try_from(length).unwrap_or(0));
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0usize;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = length(rest)?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    bytes(rest).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_response_reads_back_and_a_torn_one_does_not() {
        let capture = Capture {
            http_version: "HTTP/1.1".into(),
            reason: "OK".into(),
            headers: vec![("x-long".into(), vec![0xff; 300]), ("a".into(), Vec::new())],
            body: b"{\"ok\":true}\0".to_vec(),
            truncated: true,
        };
        let packed = pack(&capture);
        assert_eq!(unpack(&packed), Some(capture));
        assert_eq!(unpack(&packed[..20]), None);
        assert_eq!(unpack(&[7, 0]), None);
    }
}
