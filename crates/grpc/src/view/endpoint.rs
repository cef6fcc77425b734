//! An endpoint as a message.

use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::retry::RetryPolicy;
use posthaste_core::secret::SigningSecrets;
use posthaste_core::signature::public_key;
use posthaste_core::{Endpoint, Span};

use crate::enums::Numbered;
use crate::{instant, proto, value};

/// An endpoint.
pub fn endpoint(endpoint: Endpoint) -> proto::Endpoint {
    proto::Endpoint {
        id: endpoint.id.to_string(),
        tenant: endpoint.tenant.into(),
        uid: endpoint.uid,
        adhoc: endpoint.adhoc,
        settings: Some(settings(endpoint.settings)),
        state: endpoint.state.number(),
        state_reason: endpoint.state_reason,
        revision: endpoint.revision,
        created_at: Some(instant::show(endpoint.created_at)),
        updated_at: Some(instant::show(endpoint.updated_at)),
    }
}

fn settings(settings: EndpointSettings) -> proto::EndpointSettings {
    proto::EndpointSettings {
        name: settings.name,
        url: Some(settings.url),
        topics: settings.topics.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        filter: settings.filter.map(value::show_struct),
        method: Some(settings.method),
        headers: settings.headers,
        content_type: settings.content_type,
        body_format: settings.body_format.number(),
        unsigned: settings.signature_styles.is_empty(),
        signature_styles: settings.signature_styles.into_iter().map(Numbered::number).collect(),
        max_attempts: settings.max_attempts,
        give_up_after_seconds: settings.give_up_after_seconds.map(Span::as_seconds),
        timeout_seconds: Some(settings.timeout_seconds.as_seconds()),
        retry: Some(retry(settings.retry)),
        retry_after: settings.retry_after.number(),
        success_codes: settings.success_codes.into_iter().flatten().map(u32::from).collect(),
        require_empty_response: Some(settings.require_empty_response),
        rate_limit: settings
            .rate_limit
            .map(|limit| proto::RateLimit { per_second: limit.per_second, burst: Some(limit.burst) }),
        max_in_flight: Some(settings.max_in_flight),
        ordering: settings.ordering.number(),
        fifo_on_failed: settings.fifo_on_failed.number(),
        guarantee: settings.guarantee.number(),
        settings: settings.settings.number(),
        verification: settings.verification.number(),
        dead_letter_endpoint_id: settings.dead_letter_endpoint_id.map(|id| id.to_string()),
        never_disable: settings.disable_after_seconds.is_none(),
        disable_after_seconds: settings.disable_after_seconds.map(Span::as_seconds),
        metadata: settings.metadata,
    }
}

fn retry(policy: RetryPolicy) -> proto::RetryPolicy {
    proto::RetryPolicy {
        backoff: policy.schedule_seconds.is_none(),
        schedule_seconds: policy.schedule_seconds.into_iter().flatten().map(Span::as_seconds).collect(),
        min_backoff_seconds: Some(policy.min_backoff_seconds.as_seconds()),
        max_backoff_seconds: Some(policy.max_backoff_seconds.as_seconds()),
        factor: Some(policy.factor),
        jitter: Some(policy.jitter),
    }
}

/// An endpoint's secrets.
pub fn secret(secrets: &SigningSecrets) -> proto::EndpointSecret {
    let previous = secrets.previous.iter().map(|previous| proto::PreviousSecret {
        secret: previous.secret.expose_text(),
        expires_at: Some(instant::show(previous.expires_at)),
    });
    proto::EndpointSecret {
        secret: secrets.current.expose_text(),
        public_key: public_key(&secrets.current),
        previous: previous.collect(),
    }
}
