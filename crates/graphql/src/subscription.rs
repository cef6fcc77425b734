//! `deliveryChanged`: deliveries as they change, by looking again and again at a bounded pace.
//!
//! The store tells nobody of a change, and many nodes change it; so each subscription reads one page twice a second. It
//! shows states, not every step between two looks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, ID, Result, Subscription};
use futures_util::Stream;
use futures_util::stream::unfold;
use posthaste_core::{DeliveryId, Timestamp, WaitingFor};
use posthaste_engine::EngineError;
use posthaste_engine::deliveries::{DeliveryDetail, Outline};
use posthaste_store::Page;
use posthaste_store::history::DeliveryFilter;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::Service;
use crate::deliveries::Delivery;
use crate::scalars::read;
use crate::visit::{self, Spent, Visitor};

/// How long a subscription waits between two looks.
const PACE: Duration = Duration::from_millis(500);
/// The most deliveries that one subscription looks at: the newest.
const WATCHED: u32 = 250;

/// What a subscriber would see a difference in.
type Seen = (Outline, Option<Timestamp>, Option<WaitingFor>);

pub struct Subscriptions;

#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// Each delivery of a message, or to an endpoint (the newest 250), as it is now and whenever it has changed. Looks
    /// twice a second; ends when the key ends or the server stops.
    async fn delivery_changed(
        &self,
        context: &Context<'_>,
        message_id: Option<ID>,
        endpoint_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Delivery>>> {
        let visit = visit::of(context);
        if message_id.is_some() == endpoint_id.is_some() {
            return Err(EngineError::invalid("/messageId", "give one of messageId and endpointId").into());
        }
        let filter = DeliveryFilter {
            message: read("messageId", message_id.as_deref().map(String::as_str))?,
            endpoint: read("endpointId", endpoint_id.as_deref().map(String::as_str))?,
            ..DeliveryFilter::default()
        };
        // Something that is not there, or another's, is refused now instead of being watched for ever.
        if let Some(id) = &message_id {
            visit.engine().message(&visit.caller, None, id).await?;
        }
        if let Some(id) = &endpoint_id {
            visit.engine().endpoint(&visit.caller, None, id).await?;
        }
        let service = context.data_unchecked::<Service>();
        let watch = Watch {
            visitor: visit.visitor.clone(),
            spent: visit.spent(),
            filter,
            seen: HashMap::new(),
            changed: VecDeque::new(),
            looked: false,
            ending: service.ending().clone(),
            _seat: service.seat()?,
        };
        Ok(unfold(Some(watch), next))
    }
}

/// One subscription.
struct Watch {
    visitor: Visitor,
    /// Each event may show as much as an operation.
    spent: Arc<Spent>,
    filter: DeliveryFilter,
    seen: HashMap<DeliveryId, Seen>,
    changed: VecDeque<DeliveryDetail>,
    looked: bool,
    ending: CancellationToken,
    _seat: OwnedSemaphorePermit,
}

async fn next(watch: Option<Watch>) -> Option<(Result<Delivery>, Option<Watch>)> {
    let mut watch = watch?;
    loop {
        if let Some(detail) = watch.changed.pop_front() {
            watch.spent.renew();
            return Some((Ok(detail.into()), Some(watch)));
        }
        if watch.looked {
            tokio::select! {
                () = watch.ending.cancelled() => return None,
                () = tokio::time::sleep(PACE) => {}
            }
        }
        watch.looked = true;
        match watch.look().await {
            // If the database is away for a while, the next look may find it again.
            Ok(()) | Err(EngineError::Unavailable) => {}
            Err(error) => return Some((Err(error.into()), None)),
        }
    }
}

impl Watch {
    /// Reads again, with the right that the key has now.
    async fn look(&mut self) -> Result<(), EngineError> {
        let caller = self.visitor.caller().await?;
        let filter = DeliveryFilter { tenant: caller.tenant.clone(), ..self.filter.clone() };
        let found = self.visitor.engine.deliveries(&caller, filter, Page::first(WATCHED)).await?;
        let former = std::mem::take(&mut self.seen);
        // Oldest first, as it happened; what fell off the page is forgotten.
        for detail in found.items.into_iter().rev() {
            let now = (detail.outline(), detail.next_attempt_at, detail.waiting_for);
            let id = detail.delivery.id;
            if former.get(&id) != Some(&now) {
                self.changed.push_back(detail);
            }
            self.seen.insert(id, now);
        }
        Ok(())
    }
}
