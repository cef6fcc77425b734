//! A message that waits for its commit.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Receipt;
use crate::error::{EngineError, Result};

/// How long a publisher waits for its commit before it is told to try again.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// A message in the queue of the next group commit. Whoever drops it does not hear of the commit, which comes all the
/// same.
#[derive(Debug)]
#[must_use = "only the commit's answer says whether the message is stored"]
pub struct Queued(oneshot::Receiver<Result<Receipt>>);

impl Queued {
    pub(crate) fn new(answer: oneshot::Receiver<Result<Receipt>>) -> Self {
        Self(answer)
    }

    /// Waits for the commit.
    pub async fn committed(self) -> Result<Receipt> {
        match tokio::time::timeout(COMMIT_PATIENCE, self.0).await {
            Ok(Ok(answer)) => answer,
            // The committer goes on trying; the publisher is told the truth, that nobody knows yet.
            Ok(Err(_)) | Err(_) => Err(EngineError::Unavailable),
        }
    }
}
