//! What goes over a `PublishStream`, by hand: gRPC's frames and the few members of its messages that the benchmark needs.
//!
//! A generated client would cost the machine that is being measured several times as much for each message, and more
//! crates than this file has functions. Field numbers are those of `publisher.proto` and `message.proto`.

use bytes::{Buf as _, BufMut as _, BytesMut};

use crate::stamp::{self, Stamp};
use crate::template::Template;

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The longest answer.
const LONGEST_ANSWER: usize = 1 << 20;
/// The wire's kinds of values.
const VARINT: u64 = 0;
const LENGTH_DELIMITED: u64 = 2;

/// A message to publish, rendered once and stamped anew for each use.
#[derive(Debug, Clone)]
pub struct Draft {
    bytes: Vec<u8>,
    payload: std::ops::Range<usize>,
    key: Option<usize>,
}

impl Draft {
    /// The message that this template describes.
    pub fn of(template: &Template) -> Self {
        let mut bytes = Vec::new();
        member(&mut bytes, 1, template.topic.as_bytes());
        if let Some(tenant) = &template.tenant {
            member(&mut bytes, 4, tenant.as_bytes());
        }
        let payload = member(&mut bytes, 6, &stamp::blank(template.payload_bytes));
        member(&mut bytes, 7, b"application/json");
        let key = template.idempotency.as_ref().map(|prefix| {
            let key = member(&mut bytes, 13, format!("{prefix}-{:016x}", 0).as_bytes());
            key.end - 16
        });
        Self { bytes, payload, key }
    }

    /// Adds it to what is sent, as the message of this number, which is its sequence too.
    pub fn write(&mut self, number: u64, sent: u64, to: &mut BytesMut) {
        stamp::write(&mut self.bytes[self.payload.clone()], Stamp { number, sent });
        if let Some(at) = self.key {
            stamp::write_hex(&mut self.bytes[at..at + 16], number);
        }
        let begin = to.len();
        to.put_bytes(0, PREFIX);
        put_varint(to, 1 << 3 | VARINT);
        put_varint(to, number);
        put_varint(to, 2 << 3 | LENGTH_DELIMITED);
        put_varint(to, self.bytes.len() as u64);
        to.put_slice(&self.bytes);
        let length = u32::try_from(to.len() - begin - PREFIX).unwrap_or(u32::MAX);
        to[begin + 1..begin + PREFIX].copy_from_slice(&length.to_be_bytes());
    }
}

/// Adds a member of bytes, and says where these stand.
fn member(to: &mut Vec<u8>, number: u64, bytes: &[u8]) -> std::ops::Range<usize> {
    put_varint(to, number << 3 | LENGTH_DELIMITED);
    put_varint(to, bytes.len() as u64);
    let begin = to.len();
    to.extend_from_slice(bytes);
    begin..to.len()
}

fn put_varint(to: &mut impl bytes::BufMut, mut value: u64) {
    while value >= 0x80 {
        to.put_u8(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.put_u8(value.to_le_bytes()[0]);
}

/// What became of one message of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is committed.
    Accepted,
    /// It may be tried again.
    Busy,
    /// It never will be.
    Refused,
}

/// Takes the next whole answer out of what was received: its sequence and its verdict. An error is no answer of this API.
pub fn next_answer(received: &mut BytesMut) -> Result<Option<(u64, Verdict)>, &'static str> {
    let Some((prefix, _)) = received.split_first_chunk::<PREFIX>() else { return Ok(None) };
    let [compressed, length @ ..] = *prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if compressed != 0 || length > LONGEST_ANSWER {
        return Err("an answer is compressed or longer than 1 MiB");
    }
    let Some(message) = received.get(PREFIX..PREFIX + length) else { return Ok(None) };
    let answer = read_answer(message).ok_or("an answer does not parse");
    received.advance(PREFIX + length);
    answer.map(Some)
}

fn read_answer(mut message: &[u8]) -> Option<(u64, Verdict)> {
    let (mut sequence, mut verdict) = (0, None);
    while !message.is_empty() {
        match take_member(&mut message)? {
            (1, Member::Number(number)) => sequence = number,
            (2, Member::Bytes(_)) => verdict = Some(Verdict::Accepted),
            (3, Member::Bytes(problem)) => verdict = Some(read_problem(problem)?),
            _ => {}
        }
    }
    Some((sequence, verdict?))
}

/// Whether a refusal passes by itself: its word, or the time after which it may be tried again, says so.
fn read_problem(mut problem: &[u8]) -> Option<Verdict> {
    let mut verdict = Verdict::Refused;
    while !problem.is_empty() {
        match take_member(&mut problem)? {
            (1, Member::Bytes(b"busy" | b"unavailable" | b"internal")) | (4, _) => verdict = Verdict::Busy,
            _ => {}
        }
    }
    Some(verdict)
}

enum Member<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a kind that nothing here is read from.
    Fixed,
}

/// Takes one member off the front: its field number and its value.
fn take_member<'a>(message: &mut &'a [u8]) -> Option<(u64, Member<'a>)> {
    let tag = take_varint(message)?;
    let value = match tag & 7 {
        VARINT => Member::Number(take_varint(message)?),
        LENGTH_DELIMITED => {
            let length = usize::try_from(take_varint(message)?).ok()?;
            let (bytes, rest) = message.split_at_checked(length)?;
            *message = rest;
            Member::Bytes(bytes)
        }
        kind @ (1 | 5) => {
            *message = message.get(if kind == 1 { 8 } else { 4 }..)?;
            Member::Fixed
        }
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_number_as_sequence_in_its_payload_and_in_its_key() {
        let template = Template {
            host: String::new(),
            key: None,
            topic: "a".to_owned(),
            tenant: Some("acme".to_owned()),
            payload_bytes: 300,
            batch: 1,
            idempotency: Some("bench-7".to_owned()),
        };
        let (mut draft, mut sent) = (Draft::of(&template), BytesMut::new());
        draft.write(5, 1, &mut sent);
        let first = sent.len();
        draft.write(300, 16, &mut sent);
        let [compressed, length @ ..] = *sent[first..].first_chunk::<PREFIX>().unwrap();
        assert_eq!((compressed, u32::from_be_bytes(length) as usize), (0, sent.len() - first - PREFIX));
        let mut request = &sent[first + PREFIX..];
        assert!(matches!(take_member(&mut request), Some((1, Member::Number(300)))));
        let Some((2, Member::Bytes(mut message))) = take_member(&mut request) else { panic!("no message") };
        assert!(request.is_empty());
        let mut members = Vec::new();
        while !message.is_empty() {
            let Some((number, Member::Bytes(bytes))) = take_member(&mut message) else { panic!("{members:?}") };
            members.push((number, bytes));
        }
        assert_eq!(stamp::read(members[2].1), Some(Stamp { number: 300, sent: 16 }));
        assert_eq!(members[2].1.len(), 300);
        members.remove(2);
        let expected: [(u64, &[u8]); 4] =
            [(1, b"a"), (4, b"acme"), (7, b"application/json"), (13, b"bench-7-000000000000012c")];
        assert_eq!(members, expected);
    }

    /// An answer as the server writes it, with this member beside the sequence.
    fn answer(sequence: u64, number: u64, result: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        put_varint(&mut message, 1 << 3);
        put_varint(&mut message, sequence);
        member(&mut message, number, result);
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], &message].concat()
    }

    #[test]
    fn answers_are_read_once_they_are_whole() {
        let mut busy = Vec::new();
        member(&mut busy, 1, b"busy");
        let mut invalid = Vec::new();
        member(&mut invalid, 1, b"invalid");
        let later = [invalid.as_slice(), &[4 << 3 | 1], &1.5_f64.to_le_bytes()].concat();
        let all = [answer(1, 2, b""), answer(300, 3, &busy), answer(7, 3, &invalid), answer(8, 3, &later)].concat();
        let (mut received, mut answers) = (BytesMut::new(), Vec::new());
        for byte in all {
            received.put_u8(byte);
            answers.extend(next_answer(&mut received).unwrap());
        }
        let expected = [(1, Verdict::Accepted), (300, Verdict::Busy), (7, Verdict::Refused), (8, Verdict::Busy)];
        assert_eq!(answers, expected);
        assert!(received.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bytes in [&[1, 0, 0, 0, 0][..], &[0, 0xff, 0, 0, 0], &[0, 0, 0, 0, 1, 0xff], &[0, 0, 0, 0, 2, 8, 1]] {
            assert!(next_answer(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
    }
}
