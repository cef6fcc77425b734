//! From a host's name to the addresses that may be connected to.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use posthaste_core::address::{self, AllowList};
use posthaste_core::attempt::Outcome;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::failure::Failure;
use super::host::Host;

/// How long an answer is good: long enough for a burst of new connections, short enough that a moved name is noticed.
const FRESH: Duration = Duration::from_secs(5);
/// How long a failure is: a dead name must not be asked for by each of its deliveries.
const FRESH_FAILURE: Duration = Duration::from_secs(1);
/// How many names are looked up at once. Each takes one of the runtime's blocking threads (512) until the system gives
/// up, long after the sender did; those threads serve others too.
const MAX_LOOKUPS: usize = 64;

/// Looks names up.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a host name; never called with an address. An empty list means that there is none.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's own way: hosts file, name service, whatever it is set to.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        async move {
            // The port is of no matter to the look-up.
            let sockets = tokio::net::lookup_host((name, 0)).await?;
            Ok(sockets.map(|socket| socket.ip()).collect())
        }
        .boxed()
    }
}

/// A look-up under way or done, which all who want the same name wait for together.
pub(super) struct Lookup {
    started: Instant,
    answer: Shared<BoxFuture<'static, Answer>>,
}

type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

impl Lookup {
    fn is_fresh(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.started);
        match self.answer.peek() {
            None => true,
            Some(Ok(_)) => age < FRESH,
            Some(Err(_)) => age < FRESH_FAILURE,
        }
    }
}

/// Looks names up, and refuses those with an address that the guard refuses.
pub(super) struct Resolver {
    system: Arc<dyn Resolve>,
    allow: AllowList,
    lookups: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl Resolver {
    pub(super) fn new(system: Arc<dyn Resolve>, allow: AllowList, tracker: TaskTracker) -> Self {
        Self { system, allow, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)), tracker }
    }

    /// The host's addresses, each of them permitted. One that is not spoils them all: a name that points both outside
    /// and inside is an attack or a mistake, and which of its addresses is connected to would be chance.
    pub(super) async fn addresses(&self, host: &Host, deadline: Instant) -> Result<Arc<[IpAddr]>, Failure> {
        let name = &host.key.name;
        let addresses = match host.literal {
            Some(address) => Arc::from([address]),
            None => self.look_up(host, deadline).await?,
        };
        for &ip in &*addresses {
            address::check(ip, &self.allow).map_err(|refused| {
                let sentence = if host.literal.is_some() { format!("{refused}") } else { format!("{name}: {refused}") };
                Failure::new(Outcome::BlockedAddress, sentence)
            })?;
        }
        if addresses.is_empty() {
            return Err(Failure::new(Outcome::DnsError, format!("{name} has no address")));
        }
        Ok(addresses)
    }

    async fn look_up(&self, host: &Host, deadline: Instant) -> Result<Arc<[IpAddr]>, Failure> {
        let name = &host.key.name;
        match timeout_at(deadline, self.lookup(host)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(Failure::new(Outcome::DnsError, format!("{name} could not be looked up: {error}"))),
            Err(_) => Err(Failure::timeout("looking up the host's name")),
        }
    }

    fn lookup(&self, host: &Host) -> Shared<BoxFuture<'static, Answer>> {
        let now = Instant::now();
        let mut latest = host.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some(lookup) if lookup.is_fresh(now) => lookup.answer.clone(),
            _ => {
                let answer = self.begin(&host.key.name);
                *latest = Some(Lookup { started: now, answer: answer.clone() });
                answer
            }
        }
    }

    /// On a task, because the look-up goes on, and counts, when those who wanted it have given up.
    fn begin(&self, name: &str) -> Shared<BoxFuture<'static, Answer>> {
        let (done, answer) = oneshot::channel();
        let looking = self.system.resolve(name);
        let lookups = Arc::clone(&self.lookups);
        self.tracker.spawn(async move {
            // Closed never; without a permit it would only be less polite.
            let _permit = lookups.acquire_owned().await;
            let found = looking.await.map(Arc::from).map_err(|error| Arc::from(error.to_string()));
            // Everyone may have gone.
            let _ = done.send(found);
        });
        let lost = || Err(Arc::from("the look-up was abandoned"));
        async move { answer.await.unwrap_or_else(|_| lost()) }.boxed().shared()
    }
}
