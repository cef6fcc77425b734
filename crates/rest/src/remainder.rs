//! The rest of a request's body, for the case that it is refused before it was read.
//!
//! A client that is still sending does not read; if the server answers and closes, the client's system throws the
//! answer away. So the frame keeps a hand on the body and, after a refusal, reads what is left, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use futures_util::{Stream, StreamExt as _};

/// The most that is read of a refused body.
const MOST_BYTES: usize = 64 << 20;
/// The longest that is waited for it.
const LONGEST: Duration = Duration::from_secs(10);

struct State {
    body: BodyDataStream,
    /// Somebody began to read: a client that waits for `100 Continue` has been told to go on.
    begun: bool,
    ended: bool,
}

/// The hand on a body that somebody else reads.
pub struct Remainder(Arc<Mutex<State>>);

/// The body as the handler gets it.
struct Lent(Arc<Mutex<State>>);

/// Splits a body into the one that the handler gets and the hand on it; an empty one needs none.
pub fn keep(body: Body) -> (Body, Option<Remainder>) {
    if body.is_end_stream() {
        return (body, None);
    }
    let state = State { body: body.into_data_stream(), begun: false, ended: false };
    let state = Arc::new(Mutex::new(state));
    (Body::from_stream(Lent(state.clone())), Some(Remainder(state)))
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.begun = true;
        if state.ended {
            return Poll::Ready(None);
        }
        let next = state.body.poll_next_unpin(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            state.ended = true;
        }
        next
    }
}

impl Remainder {
    /// Reads what is left. `expects`: the client asked for `100 Continue`; if nobody has read yet, it is not sending.
    /// Answers whether the end was reached.
    pub async fn drain(self, expects: bool) -> bool {
        let (begun, ended) = {
            let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (state.begun, state.ended)
        };
        if ended {
            return true;
        }
        if expects && !begun {
            return false;
        }
        let mut rest = Lent(self.0);
        let mut left = MOST_BYTES;
        let read = async {
            while let Some(Ok(data)) = rest.next().await {
                match left.checked_sub(data.len()) {
                    Some(less) => left = less,
                    None => return false,
                }
            }
            true
        };
        tokio::time::timeout(LONGEST, read).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(chunks: usize, size: usize) -> Body {
        let chunks = std::iter::repeat_n(Bytes::from(vec![b'x'; size]), chunks).map(Ok::<_, axum::Error>);
        Body::from_stream(futures_util::stream::iter(chunks))
    }

    #[tokio::test]
    async fn what_a_handler_left_is_read_to_its_end() {
        let (lent, remainder) = keep(body(8, 1_024));
        let mut lent = lent.into_data_stream();
        assert_eq!(lent.next().await.unwrap().unwrap().len(), 1_024);
        drop(lent);
        assert!(remainder.unwrap().drain(false).await);
    }

    #[tokio::test]
    async fn a_body_without_end_is_given_up() {
        let (_lent, remainder) = keep(body(65, 1 << 20));
        assert!(!remainder.unwrap().drain(false).await);
    }

    #[tokio::test]
    async fn a_client_that_waits_to_be_asked_is_not_asked() {
        let (_lent, remainder) = keep(body(1, 5));
        assert!(!remainder.unwrap().drain(true).await);
    }

    #[tokio::test]
    async fn an_empty_body_needs_no_hand() {
        assert!(keep(Body::empty()).1.is_none());
    }
}
