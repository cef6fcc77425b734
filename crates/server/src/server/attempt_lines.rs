//! One wide line for each attempt: all that is known of it in one place, so that a search needs no joining.
//!
//! A flush is handed over whole and written by a thread of its own. If whoever reads standard error is too slow, lines
//! are left out and counted: a log must not hold up deliveries.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use posthaste_core::delivery::Next;
use posthaste_core::{Attempt, AttemptId, DeliveryId, EndpointId, MessageId, Outcome, Timestamp, WaitingFor};
use posthaste_engine::AttemptLog;
use posthaste_store::Settled;
use serde::Serialize;

use super::logs::LogFormat;

/// How many flushes wait for the writer; each is at most 500 lines.
const WAITING: usize = 64;

/// Which attempts get a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Logged {
    /// Every one.
    All,
    /// Those that did not succeed.
    Failed,
    /// None.
    None,
}

/// What the writer's thread gets.
#[derive(Debug)]
enum Entry {
    /// The lines of one flush.
    Lines(Vec<u8>),
    /// Answered once everything before it is written.
    Barrier(SyncSender<()>),
}

/// Writes the lines.
#[derive(Debug)]
pub struct AttemptLines {
    which: Logged,
    format: LogFormat,
    writer: SyncSender<Entry>,
    left_out: AtomicU64,
}

impl AttemptLines {
    /// Starts the writer's thread, which ends with this value.
    pub fn to_standard_error(which: Logged, format: LogFormat) -> std::io::Result<Self> {
        let (writer, lines) = sync_channel(WAITING);
        std::thread::Builder::new().name("attempt-log".to_owned()).spawn(move || write(&lines))?;
        Ok(Self { which, format: format.resolved(), writer, left_out: AtomicU64::new(0) })
    }

    /// Waits until everything handed over so far is written, at most so long.
    pub fn flush(&self, longest: Duration) {
        let (written, wait) = sync_channel(1);
        if self.writer.try_send(Entry::Barrier(written)).is_ok() {
            // Without an answer the last lines are lost, and there is nowhere else to say so.
            let _ = wait.recv_timeout(longest);
        }
    }
}

fn write(entries: &Receiver<Entry>) {
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Lines(text) => {
                // Standard error is where a failure to write would be told.
                let _ = std::io::stderr().lock().write_all(&text);
            }
            // Whoever waited may have lost patience.
            Entry::Barrier(written) => drop(written.try_send(())),
        }
    }
}

impl AttemptLog for AttemptLines {
    fn attempts(&self, settled: &[Settled]) {
        let mut text = Vec::new();
        let mut count = 0_u64;
        for settled in settled {
            let Some(exchange) = &settled.attempt else { continue };
            let succeeded = exchange.attempt.outcome == Outcome::Succeeded;
            if self.which == Logged::None || (self.which == Logged::Failed && succeeded) {
                continue;
            }
            count += 1;
            match self.format {
                LogFormat::Json => json_line(&mut text, &exchange.attempt, settled),
                LogFormat::Text | LogFormat::Auto => text_line(&mut text, &exchange.attempt, settled),
            }
        }
        if text.is_empty() {
            return;
        }
        let missing = self.left_out.load(Ordering::Relaxed);
        match self.writer.try_send(Entry::Lines(text)) {
            Ok(()) if missing > 0 => {
                self.left_out.fetch_sub(missing, Ordering::Relaxed);
                tracing::warn!(lines = missing, "attempt lines were left out: standard error is read too slowly");
            }
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.left_out.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

/// What becomes of the delivery: its state, and for one that waits until when and for what.
fn next(next: &Next) -> (&'static str, Option<String>, Option<WaitingFor>) {
    match next {
        Next::Succeeded => ("succeeded", None, None),
        Next::Wait { due_at, waiting_for } => ("pending", Some(due_at.to_string()), Some(*waiting_for)),
        Next::Close { status: posthaste_core::DeliveryStatus::Cancelled, .. } => ("cancelled", None, None),
        Next::Close { .. } => ("failed", None, None),
    }
}

/// A line in JSON. Written from here without anything in between: under load this is a noticeable share of a delivery.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    target: &'static str,
    attempt_id: AttemptId,
    delivery_id: DeliveryId,
    message_id: MessageId,
    endpoint_id: EndpointId,
    endpoint_revision: u32,
    tenant: &'a str,
    number: u32,
    at: Timestamp,
    duration_ms: f64,
    outcome: &'static str,
    status_code: Option<u16>,
    error: Option<&'a str>,
    delivery_status: &'static str,
    next_attempt_at: Option<String>,
    waiting_for: Option<WaitingFor>,
}

fn json_line(out: &mut Vec<u8>, attempt: &Attempt, settled: &Settled) {
    let (delivery_status, next_attempt_at, waiting_for) = next(&settled.next);
    let line = Line {
        timestamp: settled.at,
        level: if attempt.outcome == Outcome::Succeeded { "INFO" } else { "WARN" },
        message: "attempt",
        target: "posthaste::attempt",
        attempt_id: attempt.id,
        delivery_id: settled.delivery,
        message_id: settled.delivery.message(),
        endpoint_id: settled.endpoint,
        endpoint_revision: attempt.endpoint_revision,
        tenant: settled.tenant.as_str(),
        number: attempt.number,
        at: attempt.at,
        duration_ms: milliseconds(attempt),
        outcome: attempt.outcome.as_str(),
        status_code: attempt.status_code,
        error: attempt.error.as_deref(),
        delivery_status,
        next_attempt_at,
        waiting_for,
    };
    // Neither does writing to memory fail nor has any of these members a value without JSON.
    if serde_json::to_writer(&mut *out, &line).is_ok() {
        out.push(b'\n');
    }
}

fn text_line(out: &mut Vec<u8>, attempt: &Attempt, settled: &Settled) {
    let (status, next_attempt_at, _) = next(&settled.next);
    let code = attempt.status_code.map(|code| format!(" {code}")).unwrap_or_default();
    let wait = next_attempt_at.map(|at| format!(", next at {at}")).unwrap_or_default();
    // Writing to memory does not fail.
    let _ = writeln!(
        out,
        "{} attempt {} of {} to {}: {}{code} in {:.1} ms, {status}{wait}",
        settled.at,
        attempt.number,
        settled.delivery,
        settled.endpoint,
        attempt.outcome.as_str(),
        milliseconds(attempt),
    );
}

/// Milliseconds, with the microseconds as a fraction.
fn milliseconds(attempt: &Attempt) -> f64 {
    Duration::from_micros(attempt.duration_micros).as_secs_f64() * 1000.0
}
