//! Topics, their names, and tenants.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::pattern;
use crate::time::Timestamp;

/// Whose endpoints, messages and keys these are. A plain text of 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The tenant of those who do not care about tenants.
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tenant {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(Arc::from(text))) } else { Err(InvalidName::Tenant) }
    }
}

/// The name of a topic: `[A-Za-z0-9_.+-]{1,255}`, not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if pattern::valid_name(text) { Ok(Self(Arc::from(text))) } else { Err(InvalidName::Topic) }
    }
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not a topic's name.
    #[error("not a topic name: use 1 to 255 of the characters A-Z a-z 0-9 _ . + - (not `.` or `..`)")]
    Topic,
    /// Not a tenant's name.
    #[error("not a tenant: use 1 to 255 visible ASCII characters without spaces")]
    Tenant,
}

macro_rules! text_like {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    )*};
}
text_like! { Tenant TopicName }

/// A named kind of event.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Internal: what lists page by.
    pub id: crate::id::TopicId,
    /// Whose topic it is; `None` is the catalogue that every tenant sees.
    pub tenant: Option<Tenant>,
    /// Its name, unique per tenant (and once in the catalogue).
    pub name: TopicName,
    /// What people wrote about it.
    pub details: TopicDetails,
    /// Counts its changes, from 1.
    pub revision: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The part of a topic that a caller may change; stored as one document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopicDetails {
    /// A short title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the event means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its messages' payloads must match: JSON Schema, draft 2020-12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    /// An example payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<serde_json::Value>,
}
