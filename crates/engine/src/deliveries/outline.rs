//! What a delivery's place says about it, for those who show it.

use std::time::Duration;

use posthaste_core::delivery::{Placement, Progress};
use posthaste_core::{CloseReason, DeliveryStatus, Timestamp};

use super::DeliveryDetail;

/// A delivery's state in plain words; every transport shows these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Since when.
    pub status_at: Timestamp,
    /// Why it ended without success.
    pub reason: Option<CloseReason>,
    /// How many exchanges were made.
    pub attempts: u32,
    /// The status code of the last exchange, if it had one.
    pub last_status_code: Option<u16>,
    /// The last failure in words.
    pub last_error: Option<String>,
    /// When its message was accepted.
    pub created_at: Timestamp,
    /// When it ended, if it has.
    pub finished_at: Option<Timestamp>,
}

impl DeliveryDetail {
    /// Its state as it is shown.
    pub fn outline(&self) -> Outline {
        let created_at = self.delivery.id.timestamp();
        let (finished_at, reason, progress) = match &self.delivery.placement {
            Placement::Succeeded { number, at, duration_micros, status_code, .. } => {
                let finished = *at + Duration::from_micros(*duration_micros);
                let progress = Progress { attempts: *number, last_status_code: *status_code, ..Progress::default() };
                (Some(finished), None, progress)
            }
            Placement::Closed(closed) => (Some(closed.at), Some(closed.reason), closed.progress.clone()),
            Placement::Due(due) => (None, None, due.progress.clone()),
            Placement::Batch | Placement::Missing => (None, None, Progress::default()),
        };
        Outline {
            status: self.delivery.status(),
            status_at: finished_at.unwrap_or(created_at),
            reason,
            attempts: progress.attempts,
            last_status_code: progress.last_status_code,
            last_error: progress.last_error,
            created_at,
            finished_at,
        }
    }
}
