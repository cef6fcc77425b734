//! The socket under a connection, plain or TLS, with a bound on what a receiver may make us read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::failure::{Overrun, Started};

/// A stream to a receiver.
pub(super) enum Stream {
    Plain(TcpStream),
    // Ten times the size of the other.
    Tls(Box<TlsStream<TcpStream>>),
}

/// How many more bytes may be read from a socket before something is wrong with its receiver.
///
/// hyper bounds one header, but skips interim (1xx) responses without counting them, over HTTP/2 it even keeps them in
/// memory: without this, a receiver could make a sender work, or store, for as long as the endpoint's timeout lasts.
/// Checked before each read, so it may be overdrawn by one read.
#[derive(Debug)]
pub(super) struct Allowance(AtomicI64);

impl Allowance {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(signed(bytes))))
    }

    /// From now on, that many.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(signed(bytes), Ordering::Relaxed);
    }

    /// That many more than now, but at most `most` in all.
    pub(super) fn raise(&self, bytes: usize, most: usize) {
        let raised = |left: i64| Some(left.saturating_add(signed(bytes)).min(signed(most)));
        // The closure always answers, so that this cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised);
    }

    /// Whether anything was read since `bytes` were granted.
    pub(super) fn started(&self, bytes: usize) -> Started {
        if self.0.load(Ordering::Relaxed) < signed(bytes) { Started::Yes } else { Started::No }
    }

    fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= 0
    }

    fn spend(&self, bytes: usize) {
        self.0.fetch_sub(signed(bytes), Ordering::Relaxed);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A stream whose reads are counted.
pub(super) struct Socket {
    stream: Stream,
    allowance: Arc<Allowance>,
}

impl Socket {
    pub(super) fn new(stream: Stream, allowance: Arc<Allowance>) -> Self {
        Self { stream, allowance }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.allowance.is_spent() {
            return Poll::Ready(Err(Overrun.into()));
        }
        let before = buf.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let read = buf.filled().len() - before;
        if read > 0 {
            self.allowance.spend(read);
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
