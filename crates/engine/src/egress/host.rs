//! One receiver, that is (scheme, host, port), and the connections to it that wait to be used again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::http1::Http1;
use super::http2::Http2;
use super::resolve::Lookup;

/// A connection to send over.
pub(super) enum Link {
    Http1(Box<Http1>),
    Http2(Arc<Http2>),
}

/// How many connections are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolBounds {
    pub(super) idle_per_host: usize,
    pub(super) connections: usize,
    pub(super) idle: Duration,
    pub(super) age: Duration,
}

/// What all hosts share: bounds, and how many connections are open.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) bounds: PoolBounds,
    open: AtomicUsize,
    closed: AtomicBool,
    /// Rung when connections have to be closed before their time.
    pub(super) crowded: Notify,
}

impl Pool {
    pub(super) fn new(bounds: PoolBounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: AtomicUsize::new(0), closed: AtomicBool::new(false), crowded: Notify::new() })
    }

    /// How many connections are open, idle or in use.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// From now on nothing is kept.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn keeps(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }
}

/// Counts one open connection for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenSlot(Arc<Pool>);

impl OpenSlot {
    pub(super) fn take(pool: &Arc<Pool>) -> Self {
        pool.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(pool))
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct HostKey {
    /// As in the URL: lower case, an IPv6 address without brackets.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Plain,
    Tls,
}

/// One receiver. Whoever has a URL of it holds it; when the last of them lets go, its connections close.
pub(super) struct Host {
    pub(super) key: HostKey,
    /// The name's address where the name is an address.
    pub(super) literal: Option<IpAddr>,
    /// Whom the certificate must name.
    pub(super) server_name: Option<ServerName<'static>>,
    /// The latest look-up of the name.
    pub(super) lookup: Mutex<Option<Lookup>>,
    /// Held while the first connection opens, if that could be one to share.
    pub(super) opening: tokio::sync::Mutex<()>,
    spoken: AtomicU8,
    kept: Mutex<Kept>,
    pool: Arc<Pool>,
}

/// Connections not in use, or shared.
#[derive(Default)]
struct Kept {
    /// The last one used is at the end and is the first to be used again, so that the others can become old.
    #[expect(clippy::vec_box, reason = "a connection moves between the pool and its exchange without being copied")]
    idle: Vec<Box<Http1>>,
    shared: Option<Arc<Http2>>,
}

const SPOKEN_UNKNOWN: u8 = 0;
const SPOKEN_HTTP1: u8 = 1;
const SPOKEN_HTTP2: u8 = 2;

impl Host {
    pub(super) fn new(key: HostKey, server_name: Option<ServerName<'static>>, pool: Arc<Pool>) -> Self {
        Self {
            literal: key.name.parse().ok(),
            key,
            server_name,
            lookup: Mutex::new(None),
            opening: tokio::sync::Mutex::new(()),
            spoken: AtomicU8::new(SPOKEN_UNKNOWN),
            kept: Mutex::new(Kept::default()),
            pool,
        }
    }

    /// A connection that can be used now, if there is one.
    pub(super) fn take(&self, now: Instant) -> Option<Link> {
        let bounds = self.pool.bounds;
        loop {
            let link = {
                let mut kept = self.kept();
                match kept.idle.pop() {
                    Some(http1) => Link::Http1(http1),
                    None => Link::Http2(Arc::clone(kept.shared.as_ref()?)),
                }
            };
            // Looked at, and where necessary closed, outside the lock.
            match link {
                Link::Http1(mut http1) => {
                    if !http1.is_expired(now, bounds.idle, bounds.age) && http1.is_ready() {
                        return Some(Link::Http1(http1));
                    }
                }
                Link::Http2(http2) => {
                    if http2.is_usable(now, bounds.age) {
                        return Some(Link::Http2(http2));
                    }
                    self.forget(&http2);
                }
            }
        }
    }

    /// Gives back a connection that can be used again; it is closed if there are enough.
    pub(super) fn put(&self, mut http1: Box<Http1>, now: Instant) {
        if !self.pool.keeps() {
            return;
        }
        if self.pool.open() > self.pool.bounds.connections {
            // Others may sit idle where nothing is sent any more: the sweeper makes room.
            self.pool.crowded.notify_one();
            return;
        }
        http1.rest(now);
        let mut kept = self.kept();
        if kept.idle.len() < self.pool.bounds.idle_per_host {
            kept.idle.push(http1);
        }
    }

    /// From now on everyone sends over this one.
    pub(super) fn share(&self, http2: &Arc<Http2>) {
        self.spoken.store(SPOKEN_HTTP2, Ordering::Relaxed);
        if self.pool.keeps() {
            self.kept().shared = Some(Arc::clone(http2));
        }
    }

    /// The receiver prefers HTTP/1.
    pub(super) fn speaks_http1(&self) {
        self.spoken.store(SPOKEN_HTTP1, Ordering::Relaxed);
    }

    /// Whether the next connection may turn out to be one to share.
    pub(super) fn may_share(&self) -> bool {
        self.key.transport == Transport::Tls && self.spoken.load(Ordering::Relaxed) != SPOKEN_HTTP1
    }

    /// Closes what is too old, what the receiver has closed, and what has been idle since before `since`.
    pub(super) fn sweep(&self, now: Instant, since: Option<Instant>) {
        let bounds = self.pool.bounds;
        let mut gone = Vec::new();
        let mut kept = self.kept();
        let mut index = 0;
        while index < kept.idle.len() {
            let http1 = &mut kept.idle[index];
            let early = since.is_some_and(|since| http1.idle_since() < since);
            if early || http1.is_expired(now, bounds.idle, bounds.age) || !http1.is_ready() {
                gone.push(kept.idle.remove(index));
            } else {
                index += 1;
            }
        }
        let shared = kept.shared.take_if(|http2| !http2.is_usable(now, bounds.age) || http2.is_idle(now, bounds.idle));
        drop(kept);
        // Closing sockets is a system call each: not under the lock.
        drop((gone, shared));
    }

    /// Closes everything.
    pub(super) fn clear(&self) {
        let kept = std::mem::take(&mut *self.kept());
        drop(kept);
    }

    /// Since when each of the idle ones is idle.
    pub(super) fn idle_times(&self, times: &mut Vec<Instant>) {
        times.extend(self.kept().idle.iter().map(|http1| http1.idle_since()));
    }

    fn forget(&self, http2: &Arc<Http2>) {
        self.kept().shared.take_if(|shared| Arc::ptr_eq(shared, http2));
    }

    /// Nothing panics while it holds this lock, and the pool stays sound if something did.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every receiver that somebody has a URL of.
#[derive(Default)]
pub(super) struct Hosts(Mutex<HashMap<HostKey, Weak<Host>>>);

impl Hosts {
    /// The receiver of that key, made by `make` if nobody has it.
    pub(super) fn intern(&self, key: &HostKey, make: impl FnOnce() -> Host) -> Arc<Host> {
        let mut hosts = self.hosts();
        if let Some(host) = hosts.get(key).and_then(Weak::upgrade) {
            return host;
        }
        let host = Arc::new(make());
        hosts.insert(key.clone(), Arc::downgrade(&host));
        host
    }

    /// All of them; forgets those that nobody has any more.
    pub(super) fn living(&self) -> Vec<Arc<Host>> {
        let mut living = Vec::new();
        self.hosts().retain(|_, host| match host.upgrade() {
            Some(host) => {
                living.push(host);
                true
            }
            None => false,
        });
        living
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<HostKey, Weak<Host>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// The sockets of these addresses.
    pub(super) fn sockets(&self, addresses: &[IpAddr]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(*address, self.key.port)).collect()
    }
}
