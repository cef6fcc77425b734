//! Values as PostgreSQL takes them.
//!
//! Each parameter knows its own SQL type, so that a statement can be sent in one step with its types where preparing is
//! not wanted (behind a pooler that hands out another server for each transaction).

use std::error::Error;

use bytes::BytesMut;
use posthaste_core::Timestamp;
use posthaste_core::id::{Id, Kind};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// A parameter that knows its SQL type.
pub(crate) trait Param: Sync {
    /// As the client library takes it.
    fn sql(&self) -> &(dyn ToSql + Sync);
    /// Its type.
    fn sql_type(&self) -> Type;
}

macro_rules! params {
    ($($rust:ty => $scalar:ident, $array:ident;)*) => {$(
        impl Param for $rust {
            fn sql(&self) -> &(dyn ToSql + Sync) { self }
            fn sql_type(&self) -> Type { Type::$scalar }
        }
        impl Param for Option<$rust> {
            fn sql(&self) -> &(dyn ToSql + Sync) { self }
            fn sql_type(&self) -> Type { Type::$scalar }
        }
        impl Param for Vec<$rust> {
            fn sql(&self) -> &(dyn ToSql + Sync) { self }
            fn sql_type(&self) -> Type { Type::$array }
        }
        impl Param for Vec<Option<$rust>> {
            fn sql(&self) -> &(dyn ToSql + Sync) { self }
            fn sql_type(&self) -> Type { Type::$array }
        }
    )*};
}

params! {
    Uuid => UUID, UUID_ARRAY;
    i64 => INT8, INT8_ARRAY;
    i32 => INT4, INT4_ARRAY;
    i16 => INT2, INT2_ARRAY;
    bool => BOOL, BOOL_ARRAY;
    String => TEXT, TEXT_ARRAY;
    &str => TEXT, TEXT_ARRAY;
    &[u8] => BYTEA, BYTEA_ARRAY;
}

impl Param for Vec<u8> {
    fn sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
    fn sql_type(&self) -> Type {
        Type::BYTEA
    }
}

impl Param for Vec<Vec<u8>> {
    fn sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
    fn sql_type(&self) -> Type {
        Type::BYTEA_ARRAY
    }
}

/// The 128 bits of an id as a `uuid`, which PostgreSQL compares byte by byte: as the id sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uuid(pub u128);

impl Uuid {
    /// The id with these bits.
    pub fn id<K>(self) -> Id<K> {
        Id::from_bits(self.0)
    }
}

impl<K: Kind> From<Id<K>> for Uuid {
    fn from(id: Id<K>) -> Self {
        Self(id.bits())
    }
}

impl ToSql for Uuid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }
    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }
    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
}

/// Microseconds, as times are stored.
pub(crate) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

/// A time as it was stored.
pub(crate) fn instant(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// A count that never was negative.
pub(crate) fn count(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// A count as it is stored; what no 31 bits hold is stored as the most they do.
pub(crate) fn stored(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// Text from outside without the one character that PostgreSQL's `text` cannot hold.
pub(crate) fn storable(text: Option<&str>) -> Option<String> {
    text.map(|text| text.replace('\0', "\u{fffd}"))
}
