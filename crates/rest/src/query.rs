//! Query strings, read strictly: an unknown or repeated parameter is refused by name, and so is a value of a wrong type.

use std::cell::RefCell;
use std::fmt;

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::problem::Problem;

/// The parameters of a request that is not a list.
pub struct Query<T>(pub T);

/// A request that takes no parameters.
pub struct NoQuery;

/// Names and values in the order given.
pub type Pairs = Vec<(String, String)>;

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(pairs(parts.uri.query())?).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match pairs(parts.uri.query())?.first() {
            None => Ok(Self),
            Some((name, _)) => Err(Problem::parameter(name, "unknown: this path takes no query parameters")),
        }
    }
}

/// Splits and decodes a query string.
pub fn pairs(query: Option<&str>) -> Result<Pairs, Problem> {
    let mut pairs = Pairs::new();
    for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = decode(name).ok_or_else(|| Problem::parameter(name, "the name is not UTF-8"))?;
        let value = decode(value).ok_or_else(|| Problem::parameter(&name, "the value is not UTF-8"))?;
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(Problem::parameter(&name, "given more than once"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Reads parameters into a type with `deny_unknown_fields`.
pub fn read<T: DeserializeOwned>(pairs: Pairs) -> Result<T, Problem> {
    let current = RefCell::new(String::new());
    let access = Access { pairs: pairs.into_iter(), value: None, current: &current };
    T::deserialize(access).map_err(|Wrong(detail)| {
        let named = detail.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match named {
            Some(name) => Problem::parameter(name, "this parameter is needed"),
            None => Problem::parameter(&current.borrow(), detail.replace("unknown field", "unknown parameter")),
        }
    })
}

#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Wrong {}
impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(detail: T) -> Self {
        Self(detail.to_string())
    }
}

/// The parameters as a map; notes which one is being read, to name it in an error.
struct Access<'a> {
    pairs: std::vec::IntoIter<(String, String)>,
    value: Option<String>,
    current: &'a RefCell<String>,
}

impl<'de> MapAccess<'de> for Access<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.pairs.next() else { return Ok(None) };
        self.value = Some(value);
        self.current.replace(name.clone());
        let name: StringDeserializer<Wrong> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        seed.deserialize(Text(self.value.take().unwrap_or_default()))
    }
}

impl<'de> Deserializer<'de> for Access<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// One value: a text that may say a number or a truth.
struct Text(String);

macro_rules! parsed {
    ($($method:ident $visit:ident $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.0.parse().map_err(|_| Wrong(concat!("not ", $what).to_owned()))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Text {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let text: StringDeserializer<Wrong> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    parsed! {
        deserialize_bool visit_bool "true or false";
        deserialize_u32 visit_u32 "a whole number from 0 to 4294967295";
        deserialize_u64 visit_u64 "a whole number from 0 on";
        deserialize_f64 visit_f64 "a number";
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthaste_core::{DeliveryStatus, Tenant, Timestamp};
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        tenant: Option<Tenant>,
        status: Option<DeliveryStatus>,
        since: Option<Timestamp>,
        #[serde(default)]
        force: bool,
        count: Option<u32>,
    }

    fn sample(query: &str) -> Result<Sample, Problem> {
        read(pairs(Some(query))?)
    }

    #[test]
    fn parameters_are_read_into_their_types() {
        let read = sample("tenant=a%2Bb&status=failed&since=2026-01-01T00:00:00Z&force=true&count=7").unwrap();
        assert_eq!(read.tenant.unwrap().as_str(), "a+b");
        assert_eq!(read.status, Some(DeliveryStatus::Failed));
        assert_eq!(read.since, Some(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()));
        assert_eq!((read.force, read.count), (true, Some(7)));
    }

    #[test]
    fn a_wrong_parameter_is_refused_by_its_name() {
        for (query, name) in [
            ("colour=red", "colour"),
            ("tenant=a&tenant=b", "tenant"),
            ("tenant=%20", "tenant"),
            ("tenant=%ff", "tenant"),
            ("status=lost", "status"),
            ("force=yes", "force"),
            ("tenant=a&count=-1", "count"),
            ("since=yesterday", "since"),
        ] {
            let problem = sample(query).unwrap_err();
            let shown = serde_json::to_value(problem.document(None)).unwrap();
            assert_eq!(shown["status"], 400, "{query}");
            assert_eq!(shown["errors"][0]["parameter"], name, "{query}: {shown}");
        }
    }
}
