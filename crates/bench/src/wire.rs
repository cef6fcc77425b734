//! A raw HTTP/1.1 client connection that costs little more than its two system calls.
//!
//! It knows what the benchmark needs and no more: whole requests written at once, one at a time, answers with a
//! `content-length`. Anything else ends in an error that says so, never in a wrong figure.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The most bytes of one answer.
const LONGEST_ANSWER: usize = 16 << 20;
/// What a connection reads at once.
const READ: usize = 16 << 10;
/// The most header fields of an answer.
const FIELDS: usize = 32;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket failed, or was closed before the answer was whole.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer is not HTTP/1.1 as this client understands it.
    #[error("the answer is not HTTP/1.1 with a content-length: {0}")]
    Malformed(&'static str),
}

/// A connection to one server, kept alive between exchanges.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    spent: bool,
}

/// An answer; its body lives in the connection's buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ), spent: false })
    }

    /// Whether the connection cannot be used again.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// Writes one whole request and waits for its answer. After an error the connection is spent.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, WireError> {
        self.spent = true;
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if let Some(head) = read_head(&self.buffer)? {
                break head;
            }
            if self.buffer.len() > READ {
                return Err(WireError::Malformed("its head is longer than 16 KiB"));
            }
        };
        let end = head.length + head.body;
        while self.buffer.len() < end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        if self.buffer.len() > end {
            return Err(WireError::Malformed("more bytes came than it announced"));
        }
        self.spent = head.close;
        Ok(Answer { status: head.status, body: &self.buffer[head.length..] })
    }
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the head, its empty line included.
    length: usize,
    /// Bytes of the body.
    body: usize,
    /// Whether the server ends the connection after it.
    close: bool,
}

/// Reads the head of an answer; nothing while it is not whole.
fn read_head(bytes: &[u8]) -> Result<Option<Head>, WireError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(WireError::Malformed("its head does not parse")),
    };
    let status = response.code.unwrap_or_default();
    let mut body = None;
    let mut close = response.version != Some(1);
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let digits = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
            let digits = digits.ok_or(WireError::Malformed("its content-length is no number"))?;
            body = Some(digits);
        } else if field.name.eq_ignore_ascii_case("connection") {
            close |= field.value.eq_ignore_ascii_case(b"close");
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(WireError::Malformed("it is chunked"));
        }
    }
    let body = match body {
        Some(body) if body <= LONGEST_ANSWER => body,
        Some(_) => return Err(WireError::Malformed("its body is longer than 16 MiB")),
        None if matches!(status, 204 | 304) => 0,
        None => return Err(WireError::Malformed("it has no content-length")),
    };
    Ok(Some(Head { status, length, body, close }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\nx-request-id: a\r\n\r\nhello";
        for cut in 0..answer.len() - 5 {
            assert_eq!(read_head(&answer[..cut]).unwrap(), None, "{cut}");
        }
        let head = read_head(answer).unwrap().unwrap();
        assert_eq!(head, Head { status: 202, length: answer.len() - 5, body: 5, close: false });
    }

    #[test]
    fn an_answer_that_closes_says_so() {
        let head = read_head(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: Close\r\n\r\n").unwrap().unwrap();
        assert!(head.close);
        assert!(read_head(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap().unwrap().close);
    }

    #[test]
    fn an_answer_without_content_needs_no_length() {
        assert_eq!(read_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body, 0);
    }

    #[test]
    fn what_it_does_not_understand_is_an_error() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n",
        ] {
            assert!(read_head(answer).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }
}
