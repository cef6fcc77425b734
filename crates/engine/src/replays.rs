//! Replays: past messages sent to an endpoint (again), as a durable job.
//!
//! History is walked from the oldest to the newest, in windows of time that hold a few hundred messages each, so that
//! what is sent again keeps its order. A dead letter goes back to its place in the queue; everything else becomes a new
//! message that says whose repetition it is and carries the first one's `webhook-id`.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::filter::Payload;
use posthaste_core::message::MessageExtras;
use posthaste_core::{DeliveryStatus, Message, Origin, ReplayId, Scope, Tenant, Timestamp};
use posthaste_store::history::MessageFilter;
use posthaste_store::jobs::{Job, JobFilter, JobKind, JobState, Step};
use posthaste_store::queue::IdempotencyKey;
use posthaste_store::{NewMessage, Page, Slice, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Engine;
use crate::addressing::Subject;
use crate::caller::Caller;
use crate::catalog::EndpointView;
use crate::chance;
use crate::document;
use crate::error::{EngineError, Result};
use crate::waiting::Waiting;

/// How many things one step looks at; a window of time that holds more is made smaller.
const WINDOW_ITEMS: usize = 500;
/// The first window, and the smallest.
const FIRST_WINDOW: Duration = Duration::from_secs(60);
const SMALLEST_WINDOW: Duration = Duration::from_millis(1);

/// What a caller asks for.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplayDraft {
    /// Only messages accepted at or after.
    #[serde(default)]
    since: Option<Timestamp>,
    /// Only messages accepted before; by default now.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Which of its past.
    #[serde(default)]
    status: ReplayStatus,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
}

/// Which of an endpoint's past is sent (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// Its dead letters.
    #[default]
    Failed,
    /// What it would have got but did not: it was disabled, not verified, or not there yet.
    Missed,
    /// What it has got.
    Succeeded,
    /// All three.
    All,
}

/// What a replay does; the job's `spec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplayFilter {
    /// Only messages accepted at or after.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Only messages accepted before.
    pub until: Timestamp,
    /// Which.
    pub status: ReplayStatus,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// A replay as it is shown.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The job.
    pub job: Job,
    /// What it does.
    pub filter: ReplayFilter,
}

impl Replay {
    fn from_job(job: Job) -> Result<Self> {
        let filter = serde_json::from_value(job.spec.clone());
        Ok(Self { job, filter: filter.map_err(|error| EngineError::Internal(error.to_string()))? })
    }
}

impl Engine {
    /// Begins a replay of an endpoint's past.
    pub async fn start_replay(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        body: Value,
        if_match: Option<u32>,
    ) -> Result<Replay> {
        caller.require(Scope::Endpoints)?;
        let draft: ReplayDraft = document::read(body, "")?;
        let endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
        let now = self.0.clock.now();
        let until = draft.until.unwrap_or(now).min(now);
        if draft.since.is_some_and(|since| since >= until) {
            return Err(EngineError::invalid("/since", "since is not before until (and both not in the future)"));
        }
        let filter = ReplayFilter { since: draft.since, until, status: draft.status, dry_run: draft.dry_run };
        let job = Job {
            id: ReplayId::random(now, chance::bits()),
            kind: JobKind::Replay,
            tenant: Some(endpoint.tenant.clone()),
            endpoint: Some(endpoint.id),
            spec: serde_json::to_value(&filter).map_err(|error| EngineError::Internal(error.to_string()))?,
            state: JobState::Running,
            cursor: None,
            matched: 0,
            done: 0,
            created_at: now,
            updated_at: now,
        };
        self.0.store.create_job(&job).await?;
        self.0.job_hint.notify_one();
        Ok(Replay { job, filter })
    }

    /// Replays, newest first.
    pub async fn replays(&self, caller: &Caller, filter: JobFilter, page: Page) -> Result<Slice<Replay>> {
        caller.require(Scope::Read)?;
        let filter = JobFilter { kind: Some(JobKind::Replay), ..filter };
        let slice = self.0.store.jobs(&filter, page).await?;
        let items = slice.items.into_iter().map(Replay::from_job).collect::<Result<_>>()?;
        Ok(Slice { items, next: slice.next })
    }

    /// One replay.
    pub async fn replay(&self, caller: &Caller, id: &str) -> Result<Replay> {
        caller.require(Scope::Read)?;
        self.find_replay(caller, id).await
    }

    async fn find_replay(&self, caller: &Caller, id: &str) -> Result<Replay> {
        let id: ReplayId = id.parse().map_err(|_| EngineError::NotFound("replay"))?;
        let found = self.0.store.job(id).await?.filter(|job| job.kind == JobKind::Replay);
        let found = found.filter(|job| job.tenant.as_ref().is_none_or(|tenant| caller.sees(tenant)));
        Replay::from_job(found.ok_or(EngineError::NotFound("replay"))?)
    }

    /// Stops a replay; what it has put into the queue stays there.
    pub async fn cancel_replay(&self, caller: &Caller, id: &str) -> Result<Replay> {
        caller.require(Scope::Endpoints)?;
        let replay = self.find_replay(caller, id).await?;
        Replay::from_job(self.0.store.cancel_job(replay.job.id, self.0.clock.now()).await?)
    }

    /// What the next step of a replay does.
    pub(crate) async fn replay_step(&self, job: &Job) -> Result<Step, StoreError> {
        let filter: ReplayFilter = serde_json::from_value(job.spec.clone()).map_err(StoreError::internal)?;
        let (Some(tenant), Some(endpoint)) = (&job.tenant, job.endpoint) else {
            return Err(StoreError::internal("a replay without its endpoint"));
        };
        let (view, _) = self.0.catalog.view(tenant).await?;
        let Some(view) = view.endpoint(endpoint).cloned() else {
            // Deleted meanwhile: nothing is left to send to.
            return Ok(Step { from: job.cursor, to: job.cursor, last: true, ..Step::default() });
        };
        let begin = match job.cursor {
            Some(bits) => posthaste_core::MessageId::from_bits(bits).timestamp(),
            None => self.first_instant(tenant, &filter).await?,
        };
        let (messages, end) = self.window(tenant, begin, filter.until).await?;
        let mut step = Step {
            from: job.cursor,
            to: Some(posthaste_core::MessageId::floor_of(end).bits()),
            last: end >= filter.until,
            ..Step::default()
        };
        for message in messages {
            self.replay_one(&view, &filter, &message, &mut step).await?;
        }
        Ok(step)
    }

    /// Where a replay begins: at its `since`, else at the oldest message that may still be there.
    async fn first_instant(&self, tenant: &Tenant, filter: &ReplayFilter) -> Result<Timestamp, StoreError> {
        if let Some(since) = filter.since {
            return Ok(since);
        }
        let kept = self.0.options.ages.messages;
        let oldest = Timestamp::from_micros(
            filter.until.as_micros().saturating_sub(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX)),
        );
        // Empty years are skipped by halving, not walked.
        let (mut low, mut high) = (oldest.min(filter.until), filter.until);
        while high.since(low) > FIRST_WINDOW {
            let middle = low + high.since(low) / 2;
            if self.any_message(tenant, low, middle).await? { high = middle } else { low = middle }
        }
        Ok(low)
    }

    async fn any_message(&self, tenant: &Tenant, since: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let found = self.0.store.messages(&between(tenant, since, until), Page::first(1)).await?;
        Ok(!found.items.is_empty() || found.next.is_some())
    }

    /// The messages from `begin` on, oldest first, in a window that holds few enough; and where the window ends.
    async fn window(
        &self,
        tenant: &Tenant,
        begin: Timestamp,
        until: Timestamp,
    ) -> Result<(Vec<Message>, Timestamp), StoreError> {
        let mut length = FIRST_WINDOW;
        loop {
            // Ids hold whole milliseconds, and so do windows.
            let end = Timestamp::from_millis((begin + length).as_millis()).min(until);
            match self.all_between(tenant, begin, end, length <= SMALLEST_WINDOW).await? {
                Some(mut messages) => {
                    messages.reverse();
                    return Ok((messages, end));
                }
                None => length = (length / 2).max(SMALLEST_WINDOW),
            }
        }
    }

    /// All messages of a window, newest first; `None` if they are too many for one step (unless that cannot be helped).
    async fn all_between(
        &self,
        tenant: &Tenant,
        begin: Timestamp,
        end: Timestamp,
        smallest: bool,
    ) -> Result<Option<Vec<Message>>, StoreError> {
        let filter = between(tenant, begin, end);
        let mut page = Page::first(u32::try_from(WINDOW_ITEMS).unwrap_or(u32::MAX));
        let mut all = Vec::new();
        loop {
            let slice = self.0.store.messages(&filter, page).await?;
            all.extend(slice.items);
            match slice.next {
                None => return Ok(Some(all)),
                Some(_) if all.len() >= WINDOW_ITEMS && !smallest => return Ok(None),
                Some(before) => page.before = Some(before),
            }
        }
    }

    /// Adds to the step what a replay makes of one message.
    async fn replay_one(
        &self,
        view: &Arc<EndpointView>,
        filter: &ReplayFilter,
        message: &Message,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let endpoint = view.endpoint.id;
        let target = message.deliveries().find(|(_, target)| target.endpoint == endpoint);
        let wanted = |status| filter.status == ReplayStatus::All || filter.status == status;
        let Some((delivery, _)) = target else {
            if wanted(ReplayStatus::Missed) && self.missed(view, message).await? {
                step.matched += 1;
                if !filter.dry_run {
                    let key = format!("{endpoint}:{}", message.id);
                    step.publish.extend(self.repetition(view, message, Some(key)).await?);
                }
            }
            return Ok(());
        };
        let status = self.0.store.delivery(delivery).await?.map(|delivery| delivery.status());
        match status {
            Some(DeliveryStatus::Failed) if wanted(ReplayStatus::Failed) => {
                step.matched += 1;
                if !filter.dry_run {
                    step.retry.push(delivery);
                }
            }
            Some(DeliveryStatus::Succeeded) if wanted(ReplayStatus::Succeeded) => {
                step.matched += 1;
                if !filter.dry_run {
                    step.publish.extend(self.repetition(view, message, None).await?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether an endpoint would get a message if it were accepted now, and was not among those that it was for.
    async fn missed(&self, view: &Arc<EndpointView>, message: &Message) -> Result<bool, StoreError> {
        let by_topic =
            matches!(message.extras.origin, Origin::Api | Origin::Event | Origin::Schedule { .. } | Origin::Outbox);
        let Some(topic) = message.topic.as_ref().filter(|_| by_topic && !message.extras.addressed) else {
            return Ok(false);
        };
        if view.matching_pattern(topic).is_none() {
            return Ok(false);
        }
        let payload = self.0.store.payload(message.id).await?.unwrap_or_default();
        let payload = Payload::new(&payload);
        Ok(view.wants(&Subject::new(Some(topic), &message.extras, &payload).input).holds())
    }

    /// A new message that repeats an earlier one to one endpoint; `None` if the payload is gone.
    async fn repetition(
        &self,
        view: &Arc<EndpointView>,
        message: &Message,
        once: Option<String>,
    ) -> Result<Option<NewMessage>, StoreError> {
        let Some(payload) = self.0.store.payload(message.id).await? else { return Ok(None) };
        let now = self.0.clock.now();
        let id = self.mint(now);
        let repeated = Waiting {
            id,
            tenant: message.tenant.clone(),
            topic: message.topic.clone(),
            content_type: message.content_type.clone(),
            deliver_at: None,
            extras: MessageExtras {
                uid: None,
                expires_at: None,
                addressed: true,
                origin: Origin::Replay { message_id: message.webhook_id() },
                ..message.extras.clone()
            },
            payload,
            // What an endpoint missed it gets once, however often its replay is asked for.
            idempotency: once.map(|key| IdempotencyKey { verb: "missed", key, request_hash: [0; 32] }),
        };
        Ok(Some(repeated.to(std::slice::from_ref(view), now)))
    }
}

fn between(tenant: &Tenant, since: Timestamp, until: Timestamp) -> MessageFilter {
    MessageFilter { tenant: Some(tenant.clone()), since: Some(since), until: Some(until), ..MessageFilter::default() }
}
