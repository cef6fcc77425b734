//! A capture as bytes: what was kept of a response, in one column.
//!
//! A version byte, then each part after its length: protocol, reason, the number of headers, their names and values, the
//! body, and whether it went on.

use posthaste_core::Capture;

use crate::fault::Fault;

const VERSION: u8 = 1;

pub(crate) fn pack(capture: &Capture) -> Vec<u8> {
    let headers: usize = capture.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let mut packed = Vec::with_capacity(32 + capture.reason.len() + headers + capture.body.len());
    packed.push(VERSION);
    packed.push(u8::from(capture.truncated));
    part(&mut packed, capture.http_version.as_bytes());
    part(&mut packed, capture.reason.as_bytes());
    length(&mut packed, capture.headers.len());
    for (name, value) in &capture.headers {
        part(&mut packed, name.as_bytes());
        part(&mut packed, value);
    }
    part(&mut packed, &capture.body);
    packed
}

fn length(packed: &mut Vec<u8>, length: usize) {
    // Bounded far below by the engine, which keeps 16 KiB.
    packed.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn part(packed: &mut Vec<u8>, bytes: &[u8]) {
    length(packed, bytes.len());
    packed.extend_from_slice(bytes);
}

pub(crate) fn unpack(packed: &[u8]) -> Result<Capture, Fault> {
    let torn = Fault::Unreadable("a capture");
    read(packed).ok_or(torn)
}

fn read(packed: &[u8]) -> Option<Capture> {
    let [VERSION, truncated, rest @ ..] = packed else { return None };
    let mut rest = rest;
    let http_version = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
    let reason = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
    let count = take_length(&mut rest)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        headers.push((name, take(&mut rest)?.to_vec()));
    }
    let body = take(&mut rest)?.to_vec();
    Some(Capture { http_version, reason, headers, body, truncated: *truncated != 0 })
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(rest)?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_round_trips_and_a_torn_one_is_refused() {
        let capture = Capture {
            http_version: "HTTP/1.1".to_owned(),
            reason: "OK".to_owned(),
            headers: vec![("x-a".to_owned(), vec![0, 255]), ("x-b".to_owned(), Vec::new())],
            body: b"fine".to_vec(),
            truncated: true,
        };
        let packed = pack(&capture);
        assert_eq!(unpack(&packed).unwrap(), capture);
        assert!(unpack(&packed[..packed.len() - 1]).is_err());
        assert!(unpack(&[9]).is_err());
    }
}
