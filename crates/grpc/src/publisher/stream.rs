//! A stream of messages, each answered for itself.
//!
//! Messages are queued in the order in which they come, so that those of one stream keep it; their answers come as the
//! commits do. Nothing runs beside the stream: it reads on only while its answers are taken and few enough wait, so a
//! client that does not read is not read from.

use std::collections::VecDeque;
use std::future::ready;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, unfold};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use posthaste_engine::ingest::Receipt;
use posthaste_engine::{Caller, Engine, EngineError};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, Streaming};

use super::draft;
use crate::proto::publish_stream_response::Result as Outcome;
use crate::proto::{PublishStreamRequest, PublishStreamResponse};
use crate::{status, view};

/// The most messages of one stream that wait for their commit.
const MAX_WAITING: usize = 256;
/// The most bytes of their payloads; one message may go beyond.
const MAX_WAITING_BYTES: usize = 8 * 1_024 * 1_024;

/// A stream's messages on their way from the client to their answers.
pub struct Flow {
    engine: Engine,
    caller: Caller,
    trace: Option<String>,
    /// `None` once nothing more is read.
    incoming: Option<Streaming<PublishStreamRequest>>,
    waiting: FuturesUnordered<BoxFuture<'static, Answer>>,
    waiting_bytes: usize,
    /// Answers that came with one that was given out: those of one commit come together, and to look for further messages
    /// between them would cost more than the answers.
    ready: VecDeque<Answer>,
    /// The server stops. Looked at while nothing else is to be done, which is so whenever all that may wait does.
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Why nothing more is read, unless the client has said all; told after the answers.
    broken: Option<Status>,
}

/// What became of a message, and how many bytes no longer wait.
struct Answer {
    sequence: u64,
    bytes: usize,
    result: Result<Receipt, EngineError>,
}

impl Flow {
    /// For what this caller sends.
    pub fn new(
        engine: Engine,
        caller: Caller,
        trace: Option<String>,
        incoming: Streaming<PublishStreamRequest>,
        ending: CancellationToken,
    ) -> Self {
        let (waiting, waiting_bytes, ready, broken) = (FuturesUnordered::new(), 0, VecDeque::new(), None);
        let ending = Box::pin(ending.cancelled_owned());
        Self { engine, caller, trace, incoming: Some(incoming), waiting, waiting_bytes, ready, ending, broken }
    }

    /// The answers. Once the server is ending nothing more is read, and the stream ends after those that are owed.
    pub fn answers(self) -> impl Stream<Item = Result<PublishStreamResponse, Status>> + Send {
        unfold(self, async |mut flow| flow.next().await.map(|answer| (answer, flow)))
    }

    async fn next(&mut self) -> Option<Result<PublishStreamResponse, Status>> {
        if let Some(answer) = self.ready.pop_front() {
            return Some(Ok(show(answer)));
        }
        loop {
            let room = self.waiting.len() < MAX_WAITING && self.waiting_bytes < MAX_WAITING_BYTES;
            tokio::select! {
                // What is there to be read goes into the same commit as what waits already.
                biased;
                received = receive(&mut self.incoming), if room && self.incoming.is_some() => match received {
                    Ok(Some(request)) => self.take(request).await,
                    Ok(None) => self.incoming = None,
                    Err(status) => {
                        self.incoming = None;
                        self.broken = Some(status);
                    }
                },
                Some(answer) = self.waiting.next(), if !self.waiting.is_empty() => {
                    self.waiting_bytes -= answer.bytes;
                    while let Some(Some(further)) = self.waiting.next().now_or_never() {
                        self.waiting_bytes -= further.bytes;
                        self.ready.push_back(further);
                    }
                    return Some(Ok(show(answer)));
                }
                () = &mut self.ending, if self.incoming.is_some() => {
                    self.incoming = None;
                    self.broken = Some(Status::unavailable("this server is stopping: open the stream again"));
                }
                else => return self.broken.take().map(Err),
            }
        }
    }

    /// Queues a message; its answer waits for the commit.
    async fn take(&mut self, request: PublishStreamRequest) {
        let PublishStreamRequest { sequence, message } = request;
        let bytes = message.as_ref().and_then(|message| message.payload.as_ref()).map_or(0, Bytes::len);
        let queued = match draft(message, self.trace.clone()) {
            Ok((draft, envelope)) => self.engine.queue(&self.caller, draft, envelope).await,
            Err(error) => Err(error),
        };
        self.waiting_bytes += bytes;
        self.waiting.push(match queued {
            Err(error) => ready(Answer { sequence, bytes, result: Err(error) }).boxed(),
            Ok(queued) => async move { Answer { sequence, bytes, result: queued.committed().await } }.boxed(),
        });
    }
}

async fn receive(
    incoming: &mut Option<Streaming<PublishStreamRequest>>,
) -> Result<Option<PublishStreamRequest>, Status> {
    match incoming {
        Some(incoming) => incoming.message().await,
        None => Ok(None),
    }
}

fn show(answer: Answer) -> PublishStreamResponse {
    let result = match answer.result {
        Ok(receipt) => Outcome::Receipt(view::receipt(receipt)),
        Err(error) => Outcome::Error(status::problem(status::within(error, |pointer| format!("/message{pointer}")))),
    };
    PublishStreamResponse { sequence: answer.sequence, result: Some(result) }
}
