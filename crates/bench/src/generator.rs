//! The load generator: one thread, any number of kept-alive connections, requests rendered once. [`streaming`] has the
//! publishers that stream.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::{Clock, Window};
use crate::error::{BenchError, Result};
use crate::latency::{Latencies, Summary};
use crate::ledger::Ledger;
use crate::pace::{Gate, Pace, Turn};
use crate::streaming;
use crate::template::{self, Template};
use crate::wire::Connection;

/// How long a publisher that was refused, or lost its connection, waits before its next request.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(10);

/// By which way messages go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// REST: a request at a time on each connection.
    Requests,
    /// gRPC: a `PublishStream` on each connection.
    Streams,
}

/// What a generator publishes, and how.
#[derive(Debug, Clone)]
pub struct Load {
    /// By which way.
    pub way: Way,
    /// The servers; connections are spread over them.
    pub servers: Vec<SocketAddr>,
    /// How many connections, each with one request, or one stream, at a time.
    pub connections: usize,
    /// When the next request may go.
    pub pace: Pace,
    /// What it looks like.
    pub template: Template,
    /// Deliveries that each message leads to.
    pub fan_out: u32,
    /// Whether a request without a good answer is repeated until there is one. Needs idempotency keys.
    pub persistent: bool,
    /// The most messages to publish, over all generators of a ledger.
    pub most_messages: u64,
}

/// What a generator did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Published {
    /// From the moment before a request was written (open loop: when it was due) to its 202; of the window.
    pub accept: Option<Summary>,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages whose request was never answered.
    pub unanswered: u64,
    /// Requests that were repeated.
    pub repeated: u64,
}

/// A generator under way.
#[derive(Debug)]
pub struct Generator {
    thread: JoinHandle<Result<Published>>,
}

/// When a generator works.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// When it starts.
    pub start: u64,
    /// Requests of this part count.
    pub window: Window,
    /// After the window's end, how long it waits for what is still unanswered.
    pub patience: Duration,
}

impl Generator {
    /// Starts a thread that generates the load.
    pub fn start(load: Load, ledger: Arc<Ledger>, clock: Clock, span: Span) -> Result<Self> {
        let failed = || BenchError::io("starting the load generator");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed())?;
        let generating = Arc::new(Generating::new(load, ledger, clock, span)?);
        let thread = std::thread::Builder::new()
            .name("generator".to_owned())
            .spawn(move || runtime.block_on(run(&generating, span)))
            .map_err(failed())?;
        Ok(Self { thread })
    }

    /// Waits for its end.
    pub async fn finish(self) -> Result<Published> {
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        joined.ok().and_then(std::result::Result::ok).ok_or(BenchError::Panicked("generator"))?
    }
}

/// What its publishers share.
pub(crate) struct Generating {
    pub load: Load,
    ledger: Arc<Ledger>,
    pub clock: Clock,
    window: Window,
    pub gate: Arc<Gate>,
    accept: Mutex<Latencies>,
    refused: AtomicU64,
    unanswered: AtomicU64,
    repeated: AtomicU64,
    under_way: AtomicU64,
}

impl Generating {
    fn new(load: Load, ledger: Arc<Ledger>, clock: Clock, span: Span) -> Result<Self> {
        let weight = u32::try_from(load.template.batch).unwrap_or(u32::MAX).saturating_mul(load.fan_out);
        let gate = Gate::new(load.pace, weight, clock, (span.start, span.window.until));
        Ok(Self {
            load,
            ledger,
            clock,
            window: span.window,
            gate: Arc::new(gate),
            accept: Mutex::new(Latencies::new()?),
            refused: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
        })
    }

    /// Messages of one turn.
    pub fn batch(&self) -> u64 {
        self.load.template.batch as u64
    }

    /// Messages that are answered as one.
    fn answered_as_one(&self) -> usize {
        match self.load.way {
            Way::Requests => self.load.template.batch,
            Way::Streams => 1,
        }
    }

    fn published(&self) -> Published {
        let left = self.under_way.load(Ordering::Relaxed);
        Published {
            accept: self.accept.lock().unwrap_or_else(PoisonError::into_inner).summary(),
            refused: self.refused.load(Ordering::Relaxed),
            unanswered: self.unanswered.load(Ordering::Relaxed) + left,
            repeated: self.repeated.load(Ordering::Relaxed),
        }
    }
}

async fn run(generating: &Arc<Generating>, span: Span) -> Result<Published> {
    let pacer = match generating.load.pace {
        Pace::Closed { .. } => None,
        Pace::Open { requests_per_second } => {
            let gate = generating.gate.clone();
            let connections = generating.load.connections;
            let drive = move || gate.drive(requests_per_second, connections);
            let thread = std::thread::Builder::new().name("pacer".to_owned()).spawn(drive);
            Some(thread.map_err(BenchError::io("starting the pacer"))?)
        }
    };
    let mut publishers = JoinSet::new();
    for index in 0..generating.load.connections {
        match generating.load.way {
            Way::Requests => publishers.spawn(publish(generating.clone(), index)),
            Way::Streams => publishers.spawn(streaming::publish(generating.clone(), index)),
        };
    }
    let patience = tokio::time::Instant::from_std(generating.clock.at(span.window.until)) + span.patience;
    let done = async { while publishers.join_next().await.is_some() {} };
    tokio::select! {
        () = done => {}
        () = generating.gate.follow(&generating.ledger), if pacer.is_none() => {}
        () = tokio::time::sleep_until(patience) => {}
    }
    publishers.abort_all();
    generating.gate.shut();
    if pacer.is_some_and(|pacer| pacer.join().is_err()) {
        return Err(BenchError::Panicked("pacer"));
    }
    Ok(generating.published())
}

/// What became of one request, or of one message of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// All its messages were accepted.
    Accepted,
    /// These of its messages were not.
    Partly(Vec<usize>),
    /// Come again later: 408, 409, 429 or 5xx.
    Busy,
    /// It never will be: any other status.
    Rejected,
    /// No answer came.
    Lost,
}

/// One publisher: one connection, one request at a time.
async fn publish(generating: Arc<Generating>, index: usize) {
    let server = generating.load.servers[index % generating.load.servers.len()];
    let mut request = generating.load.template.render();
    let mut connection = None;
    while let Some(Turn(due)) = generating.gate.turn().await {
        let Some(first) = generating.issue() else { return };
        let sent = due.unwrap_or_else(|| generating.clock.now());
        request.stamp(first, sent);
        generating.begin();
        loop {
            let answered = exchange(&mut connection, server, request.bytes(), generating.batch() > 1).await;
            let done = generating.settle(&answered, first, sent);
            if answered != Answered::Accepted {
                tokio::time::sleep(BACK_OFF).await;
            }
            if done {
                break;
            }
        }
        generating.end();
    }
}

impl Generating {
    /// Gives out the numbers of one turn; shuts the gate once there are no more.
    pub fn issue(&self) -> Option<u64> {
        let issued = self.ledger.issue(self.batch());
        let first = issued.filter(|first| first + self.batch() <= self.load.most_messages);
        if first.is_none() {
            self.gate.shut();
        }
        first
    }

    /// A turn's messages are under way.
    pub fn begin(&self) {
        self.under_way.fetch_add(self.batch(), Ordering::Relaxed);
    }

    /// What was answered is done with.
    pub fn end(&self) {
        self.under_way.fetch_sub(self.answered_as_one() as u64, Ordering::Relaxed);
    }

    /// Notes an answer; whether the request is done with.
    pub fn settle(&self, answered: &Answered, first: u64, sent: u64) -> bool {
        let now = self.clock.now();
        let again = self.load.persistent && !matches!(answered, Answered::Accepted | Answered::Rejected);
        let refused: &[usize] = if let Answered::Partly(refused) = answered { refused } else { &[] };
        if matches!(answered, Answered::Accepted | Answered::Partly(_)) {
            let accepted = (0..self.answered_as_one()).filter(|place| !refused.contains(place));
            accepted.for_each(|place| self.ledger.accept(first + place as u64, now));
            if self.window.holds(sent) && !again {
                self.accept.lock().unwrap_or_else(PoisonError::into_inner).note(now.saturating_sub(sent));
            }
        }
        if again {
            self.repeated.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let failed = match answered {
            Answered::Accepted => return true,
            Answered::Partly(_) => refused.len() as u64,
            Answered::Busy | Answered::Rejected | Answered::Lost => self.answered_as_one() as u64,
        };
        let counter = if *answered == Answered::Lost { &self.unanswered } else { &self.refused };
        counter.fetch_add(failed, Ordering::Relaxed);
        self.gate.give_back(u32::try_from(failed).unwrap_or(u32::MAX).saturating_mul(self.load.fan_out));
        true
    }
}

/// Sends one request on a connection that is kept, and renewed after it broke.
async fn exchange(kept: &mut Option<Connection>, server: SocketAddr, request: &[u8], batch: bool) -> Answered {
    if kept.as_ref().is_none_or(Connection::is_spent) {
        match Connection::open(server).await {
            Ok(opened) => *kept = Some(opened),
            Err(_) => return Answered::Lost,
        }
    }
    let Some(connection) = kept else { return Answered::Lost };
    let Ok(answer) = connection.exchange(request).await else { return Answered::Lost };
    match answer.status {
        202 if !batch => Answered::Accepted,
        202 => match template::refused(answer.body) {
            Ok(refused) if refused.is_empty() => Answered::Accepted,
            Ok(refused) => Answered::Partly(refused),
            Err(_) => Answered::Lost,
        },
        408 | 409 | 429 | 500.. => Answered::Busy,
        _ => Answered::Rejected,
    }
}
