//! Why a message went where it went: for each of its tenant's endpoints whether it matched, and what happens next.
//!
//! What was decided when the message was accepted is read from the message; why the others got nothing is worked out by
//! the same evaluator that matching uses, with the endpoints as they are now.

use posthaste_core::filter::{Payload, Verdict};
use posthaste_core::{DeliveryStatus, EndpointId, EndpointState, Message, Scope, Timestamp, WaitingFor};

use crate::Engine;
use crate::addressing::Subject;
use crate::caller::Caller;
use crate::catalog::EndpointView;
use crate::deliveries::DeliveryDetail;
use crate::error::Result;

/// The most endpoints that are explained; those with a delivery come first.
const MAX_EXPLAINED: usize = 1_000;

/// One endpoint's part in a message.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Where it sends, if that is still known.
    pub url: Option<String>,
    /// Whether the message is owed to it.
    pub matched: bool,
    /// Why, or why not; a sentence.
    pub why: String,
    /// The delivery, where there is one.
    pub delivery: Option<DeliveryDetail>,
    /// What happens next; a sentence.
    pub next: String,
}

impl Engine {
    /// Explains a message, endpoint by endpoint.
    pub async fn explain(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<Vec<Explained>> {
        caller.require(Scope::Read)?;
        let message = self.find_message(caller, tenant, id).await?;
        let payload = self.0.store.payload(message.id).await?.unwrap_or_default();
        let payload = Payload::new(&payload);
        let subject = Subject::new(message.topic.as_ref(), &message.extras, &payload);
        let (view, _) = self.0.catalog.view(&message.tenant).await?;
        let mut explained = Vec::new();
        let owed: Vec<_> = message.deliveries().take(MAX_EXPLAINED).collect();
        let ids: Vec<_> = owed.iter().map(|(delivery, _)| *delivery).collect();
        let mut stored = self.stored_deliveries(&ids).await?;
        for (delivery, target) in owed {
            let Some(found) = stored.remove(&delivery) else { continue };
            let known = view.endpoint(target.endpoint);
            explained.push(Explained {
                endpoint: target.endpoint,
                url: found.url.clone(),
                matched: true,
                why: why_matched(&message, known.map(AsRef::as_ref)),
                next: what_next(&found, self.0.clock.now()),
                delivery: Some(found),
            });
        }
        let mut others: Vec<_> = view
            .endpoints()
            .filter(|known| !known.endpoint.adhoc)
            .filter(|known| message.targets.iter().all(|target| target.endpoint != known.endpoint.id))
            .collect();
        others.sort_unstable_by_key(|known| std::cmp::Reverse(known.endpoint.id));
        others.truncate(MAX_EXPLAINED.saturating_sub(explained.len()));
        for known in others {
            let (why, next) = why_not(&message, known, &subject);
            explained.push(Explained {
                endpoint: known.endpoint.id,
                url: Some(known.endpoint.settings.url.clone()),
                matched: false,
                why,
                delivery: None,
                next,
            });
        }
        Ok(explained)
    }
}

fn why_matched(message: &Message, known: Option<&EndpointView>) -> String {
    if message.extras.addressed {
        return "the message names it".to_owned();
    }
    let pattern = message.topic.as_ref().and_then(|topic| known?.matching_pattern(topic));
    match (pattern, known) {
        (Some(pattern), _) => format!("its topic `{}` fits, and its filter lets the message through", pattern.as_str()),
        (None, Some(_)) => {
            "it wanted the topic when the message was accepted; its topics have changed since".to_owned()
        }
        (None, None) => "it wanted the topic when the message was accepted; it has been deleted since".to_owned(),
    }
}

fn why_not(message: &Message, known: &EndpointView, subject: &Subject<'_>) -> (String, String) {
    let nothing = "nothing is sent".to_owned();
    let endpoint = &known.endpoint;
    if message.extras.addressed {
        return ("the message names others".to_owned(), nothing);
    }
    if message.topic.as_ref().is_none_or(|topic| known.matching_pattern(topic).is_none()) {
        return ("none of its topics fits".to_owned(), nothing);
    }
    if let Verdict::Fails(failure) = known.wants(&subject.input) {
        return (format!("its filter does not let the message through: {failure}"), nothing);
    }
    let replay = "replay the endpoint with status `missed` to send it".to_owned();
    let why = match endpoint.state {
        _ if endpoint.created_at > message.created_at() => "it was created after the message was accepted",
        EndpointState::PendingVerification => "it is not verified yet, so it takes no messages",
        EndpointState::Disabled => "it is disabled, so it takes no messages",
        EndpointState::Active | EndpointState::Paused => {
            "it did not want the message when that was accepted (its topics, filter or state have changed since)"
        }
    };
    (why.to_owned(), replay)
}

fn what_next(detail: &DeliveryDetail, now: Timestamp) -> String {
    match detail.delivery.status() {
        DeliveryStatus::Succeeded => "nothing: it is delivered".to_owned(),
        DeliveryStatus::Cancelled => "nothing: it was cancelled".to_owned(),
        DeliveryStatus::Failed => "nothing by itself: retry the delivery, or replay the endpoint".to_owned(),
        DeliveryStatus::Pending => match (detail.waiting_for, detail.next_attempt_at) {
            (Some(WaitingFor::EndpointPaused), _) => "it is sent once the endpoint is resumed".to_owned(),
            (Some(WaitingFor::EndpointDisabled), _) => "it is sent once the endpoint is active again".to_owned(),
            (Some(WaitingFor::Order), _) => "it is sent after those before it in its order".to_owned(),
            (Some(WaitingFor::RateLimit), _) => "it is sent when the rate limit has room".to_owned(),
            (_, Some(at)) if at > now => format!("it is sent at {at}"),
            _ => "it is being sent".to_owned(),
        },
    }
}
