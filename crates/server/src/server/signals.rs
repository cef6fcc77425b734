//! Being asked to stop: once to end in order, twice to end at once.

use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Result};

/// The code of a process that was ended in the middle, as a shell gives it for an interrupt.
const CUT_SHORT: i32 = 130;

/// A token that the first `SIGTERM` or `SIGINT` cancels; the second ends the process.
#[expect(clippy::disallowed_methods, reason = "the task must outlive every tracker: it is what ends a stop that hangs")]
pub fn stop_token() -> Result<CancellationToken> {
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: what is under way ends first; a second signal ends it at once");
        first.cancel();
        signals.next().await;
        tracing::warn!("ended at once; what was in flight will be sent again");
        std::process::exit(CUT_SHORT);
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be received: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as where it can fail")]
    fn new() -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
