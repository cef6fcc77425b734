//! How the types that are plain texts or numbers outside describe themselves in the OpenAPI document.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::id::{Id, Kind};
use crate::{Span, Tenant, Timestamp, TopicName, TopicPattern};

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).description(Some(description))
}

fn done(schema: ObjectBuilder) -> RefOr<Schema> {
    RefOr::T(Schema::Object(schema.build()))
}

impl<K: Kind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let description = "An id: a prefix that tells the kind, then 26 characters that sort by time.";
        done(text(description).pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX))))
    }
}

impl<K: Kind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        // `MessageKind` becomes `MessageId`.
        let kind = std::any::type_name::<K>().rsplit("::").next().unwrap_or_default();
        format!("{}Id", kind.strip_suffix("Kind").unwrap_or(kind)).into()
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        done(text("An instant, RFC 3339 in UTC.").format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
    }
}
impl ToSchema for Timestamp {}

impl PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Number));
        let number = number.minimum(Some(0)).maximum(Some(Self::MAX_SECONDS));
        done(number.description(Some("A span in seconds; fractions are allowed.")))
    }
}
impl ToSchema for Span {}

impl PartialSchema for Tenant {
    fn schema() -> RefOr<Schema> {
        done(text("Whose it is: visible ASCII characters.").pattern(Some("^[!-~]{1,255}$")))
    }
}
impl ToSchema for Tenant {}

impl PartialSchema for TopicName {
    fn schema() -> RefOr<Schema> {
        done(text("A topic's name, not `.` or `..`.").pattern(Some("^[A-Za-z0-9_.+-]{1,255}$")))
    }
}
impl ToSchema for TopicName {}

impl PartialSchema for TopicPattern {
    fn schema() -> RefOr<Schema> {
        let description = "A topic's name, a pattern such as `order.*` (any depth), or `*`.";
        done(text(description).pattern(Some("^([A-Za-z0-9_.+-]{1,255}(\\.\\*)?|\\*)$")))
    }
}
impl ToSchema for TopicPattern {}
