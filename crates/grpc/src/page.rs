//! Pages: `limit`, and a cursor that only fits the list that it came from.

use std::fmt::Display;
use std::str::FromStr;

use posthaste_engine::cursor::{DEFAULT_LIMIT, ListStamp, MAX_LIMIT};
use posthaste_engine::{EngineError, FieldError};
use posthaste_store::{Page, Slice};
use prost::Message;

/// Where a list begins, and how its next cursor is made.
pub struct Listing {
    /// The page.
    pub page: Page,
    stamp: ListStamp,
}

impl Listing {
    /// Reads a list's request, from which `limit` and `cursor` have been taken out: what is left says which list it is.
    pub fn read(
        name: &str,
        filters: &impl Message,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Self, EngineError> {
        let limit = Self::limit(limit)?;
        let stamp = ListStamp::new(name, [filters.encode_to_vec().as_slice()]);
        let before = cursor.map(|cursor| stamp.decode(&cursor)).transpose();
        let before = before.map_err(|detail| EngineError::invalid("/cursor", detail))?;
        Ok(Self { page: Page { before, limit }, stamp })
    }

    /// How many items a page may have.
    pub fn limit(given: Option<u32>) -> Result<u32, EngineError> {
        let limit = given.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        Err(EngineError::invalid("/limit", format!("use 1 to {MAX_LIMIT}")))
    }

    /// A page as it is shown: its items and the next cursor.
    pub fn show<I, V>(&self, slice: Slice<I>, show: impl Fn(I) -> V) -> (Vec<V>, Option<String>) {
        let next = slice.next.map(|before| self.stamp.encode(before));
        (slice.items.into_iter().map(show).collect(), next)
    }
}

/// A name or an id that a list filters by; the error names the member.
pub fn name<T: FromStr<Err: Display>>(given: Option<&str>, pointer: &str) -> Result<Option<T>, EngineError> {
    given.map(str::parse).transpose().map_err(|error: T::Err| EngineError::invalid(pointer, error.to_string()))
}

/// One wrong filter, as the whole request's error.
pub fn invalid(error: FieldError) -> EngineError {
    EngineError::Invalid(vec![error])
}
