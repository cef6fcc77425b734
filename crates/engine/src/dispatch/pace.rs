//! Endpoints with a rate limit: each is listed again at the instant at which its next token comes.

use posthaste_core::{EndpointId, Timestamp};

use super::outlet::Start;
use super::{Dispatcher, State};
use crate::Engine;

impl State {
    /// Lists an endpoint that may start an exchange and is not listed yet; one that only wants a token, for when it
    /// comes.
    pub(super) fn list(&mut self, endpoint: EndpointId, now: Timestamp) {
        let Some(outlet) = self.outlets.get_mut(&endpoint).filter(|outlet| !outlet.listed) else { return };
        match outlet.start(now) {
            Start::Now => {
                outlet.listed = true;
                self.fair.push(&outlet.tenant, endpoint);
            }
            Start::At(at) if outlet.paced_at != Some(at) => {
                if let Some(former) = outlet.paced_at.replace(at) {
                    self.paced.remove(&(former, endpoint));
                }
                self.paced.insert((at, endpoint));
                if self.paced.first() == Some(&(at, endpoint)) {
                    self.pace.notify_one();
                }
            }
            Start::At(_) | Start::Not => {}
        }
    }
}

impl Dispatcher {
    /// When the next token comes for which somebody waits.
    fn next_token(&self) -> Option<Timestamp> {
        self.state().paced.first().map(|(at, _)| *at)
    }

    /// Lists the endpoints whose tokens have come.
    pub(super) fn release(&self, now: Timestamp) {
        let mut state = self.state();
        while let Some(&(at, endpoint)) = state.paced.first().filter(|(at, _)| *at <= now) {
            state.paced.remove(&(at, endpoint));
            if let Some(outlet) = state.outlets.get_mut(&endpoint) {
                outlet.paced_at = None;
            }
            state.list(endpoint, now);
        }
    }
}

/// Starts what waits for tokens as they come, until the engine has stopped.
pub async fn run(engine: Engine) {
    let dispatch = &engine.0.dispatch;
    loop {
        let pause = dispatch.next_token().map(|at| at.since(engine.0.clock.now()));
        tokio::select! {
            () = engine.0.stop_now.cancelled() => return,
            () = dispatch.pace.notified() => continue,
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
        dispatch.release(engine.0.clock.now());
        engine.pump();
    }
}
