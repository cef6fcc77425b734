//! Publishers over gRPC's `PublishStream`: one connection and one stream each, many messages on their way.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::frames::{self, Draft, Verdict};
use crate::generator::{Answered, BACK_OFF, Generating};
use crate::pace::Turn;

/// The most messages of one stream without an answer: as many as the server lets wait for their commit.
const WINDOW: usize = 256;
/// Messages that are ready together go in one piece, up to so many bytes.
const PIECE: usize = 32 << 10;
const PATH: &str = "/posthaste.v1.Publisher/PublishStream";

/// One publisher: one stream, opened again whenever it ends.
pub async fn publish(generating: Arc<Generating>, index: usize) {
    let servers = &generating.load.servers;
    let mut publisher = Publisher {
        server: servers[index % servers.len()],
        draft: Draft::of(&generating.load.template),
        unanswered: HashMap::with_capacity(WINDOW),
        generating,
    };
    while !publisher.is_done() {
        if let Ok(stream) = Stream::open(publisher.server, &publisher.generating.load.template).await {
            publisher.pursue(stream).await;
        }
        publisher.stream_ended();
        tokio::time::sleep(BACK_OFF).await;
    }
}

struct Publisher {
    generating: Arc<Generating>,
    server: SocketAddr,
    draft: Draft,
    /// The numbers of messages that were sent, or have to be sent again, with the times that they carry.
    unanswered: HashMap<u64, u64>,
}

impl Publisher {
    fn is_done(&self) -> bool {
        self.unanswered.is_empty() && self.generating.gate.is_over()
    }

    /// Whether the messages of another turn may go.
    fn has_room(&self) -> bool {
        self.unanswered.is_empty() || self.unanswered.len() + self.generating.load.template.batch <= WINDOW
    }

    /// Publishes until the stream ends, or nothing more is to be published and all is answered.
    async fn pursue(&mut self, mut stream: Stream) {
        let mut piece = BytesMut::new();
        // What an earlier stream left without an answer; repeated with its key.
        for (number, sent) in &self.unanswered {
            self.draft.write(*number, *sent, &mut piece);
        }
        while !self.is_done() {
            while piece.len() < PIECE && self.has_room() {
                let Some(Turn(due)) = self.generating.gate.try_turn() else { break };
                self.add(due, &mut piece);
            }
            if !piece.is_empty() && stream.requests.send(piece.split().freeze()).await.is_err() {
                return;
            }
            let has_room = self.has_room() && !self.generating.gate.is_over();
            tokio::select! {
                answered = stream.receive() => match answered {
                    Ok(()) => {}
                    Err(_) => return,
                },
                turn = self.generating.gate.turn(), if has_room => {
                    if let Some(Turn(due)) = turn {
                        self.add(due, &mut piece);
                    }
                    continue;
                }
            }
            loop {
                match frames::next_answer(&mut stream.received) {
                    Ok(Some((number, verdict))) => self.answered(number, verdict, &mut piece),
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }

    /// Adds the next turn's messages to what is sent.
    fn add(&mut self, due: Option<u64>, piece: &mut BytesMut) {
        let generating = &self.generating;
        let Some(first) = generating.issue() else { return };
        let sent = due.unwrap_or_else(|| generating.clock.now());
        generating.begin();
        for number in first..first + generating.batch() {
            self.unanswered.insert(number, sent);
            self.draft.write(number, sent, piece);
        }
    }

    /// Notes an answer; a message that has to be repeated is added to what is sent.
    fn answered(&mut self, number: u64, verdict: Verdict, piece: &mut BytesMut) {
        let Some(sent) = self.unanswered.get(&number).copied() else { return };
        let answered = match verdict {
            Verdict::Accepted => Answered::Accepted,
            Verdict::Busy => Answered::Busy,
            Verdict::Refused => Answered::Rejected,
        };
        if self.generating.settle(&answered, number, sent) {
            self.unanswered.remove(&number);
            self.generating.end();
        } else {
            self.draft.write(number, sent, piece);
        }
    }

    /// Its stream broke: what has no answer is lost, or kept for the next one.
    fn stream_ended(&mut self) {
        let generating = &self.generating;
        self.unanswered.retain(|number, sent| {
            let done = generating.settle(&Answered::Lost, *number, *sent);
            if done {
                generating.end();
            }
            !done
        });
    }
}

/// One `PublishStream` on a connection of its own.
struct Stream {
    requests: mpsc::Sender<Bytes>,
    answers: Incoming,
    received: BytesMut,
    /// Drives the connection; ends with the stream.
    _connection: JoinSet<()>,
}

impl Stream {
    async fn open(server: SocketAddr, template: &crate::template::Template) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends shows in the stream.
            let _ = connection.await;
        });
        // Each piece has at least one message, and no more than the window are without an answer.
        let (requests, pieces) = mpsc::channel(WINDOW);
        let mut request = Request::post(format!("http://{}{PATH}", template.host))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(key) = &template.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Pieces(pieces)).map_err(io::Error::other)?;
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        if answer.status() != StatusCode::OK || answer.headers().contains_key("grpc-status") {
            return Err(io::Error::other("the stream was refused"));
        }
        Ok(Self { requests, answers: answer.into_body(), received: BytesMut::new(), _connection: driver })
    }

    /// Waits for more answers; an error once there will be none.
    async fn receive(&mut self) -> io::Result<()> {
        let frame = self.answers.frame().await.ok_or(io::ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
        if let Ok(data) = frame.into_data() {
            self.received.extend_from_slice(&data);
        }
        Ok(())
    }
}

/// The body of a stream's request: what publishers hand over, until they let go of it.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
