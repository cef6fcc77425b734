//! A topic as a message.

use posthaste_core::Topic;

use crate::{instant, proto, value};

/// A topic.
pub fn topic(topic: Topic) -> proto::Topic {
    let Topic { tenant, name, details, revision, created_at, updated_at, .. } = topic;
    proto::Topic {
        tenant: tenant.map(Into::into),
        name: name.into(),
        details: Some(proto::TopicDetails {
            title: details.title,
            description: details.description,
            schema: details.schema.map(value::show),
            example: details.example.map(value::show),
        }),
        revision,
        created_at: Some(instant::show(created_at)),
        updated_at: Some(instant::show(updated_at)),
    }
}
