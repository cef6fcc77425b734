//! Pages: newest first, with a cursor that only fits the list that it came from.

use std::fmt::Debug;

use async_graphql::{OutputType, SimpleObject};
use posthaste_engine::EngineError;
use posthaste_engine::cursor::{DEFAULT_LIMIT, ListStamp, MAX_LIMIT};
use posthaste_store::{Page, Slice};

use crate::attempts::Attempt;
use crate::deliveries::Delivery;
use crate::endpoints::Endpoint;
use crate::keys::Key;
use crate::messages::Message;
use crate::replays::Replay;
use crate::schedules::Schedule;
use crate::topics::Topic;

/// The items of a page of a top list unless the caller says otherwise.
pub const TOP: u32 = DEFAULT_LIMIT;
/// The items of a page within another object, of which there may be many.
pub const NESTED: u32 = 10;

/// One page of a list.
#[derive(SimpleObject)]
#[graphql(concrete(name = "AttemptPage", params(Attempt)))]
#[graphql(concrete(name = "DeliveryPage", params(Delivery)))]
#[graphql(concrete(name = "EndpointPage", params(Endpoint)))]
#[graphql(concrete(name = "KeyPage", params(Key)))]
#[graphql(concrete(name = "MessagePage", params(Message)))]
#[graphql(concrete(name = "ReplayPage", params(Replay)))]
#[graphql(concrete(name = "SchedulePage", params(Schedule)))]
#[graphql(concrete(name = "TopicPage", params(Topic)))]
pub struct Paged<T: OutputType> {
    /// The items, newest first; may be fewer than `limit`, even none, although there is more.
    data: Vec<T>,
    /// The `cursor` of the next page; null: this was the last.
    next_cursor: Option<String>,
}

/// What a page costs, beside its items.
pub fn cost(limit: Option<u32>, default: u32, each: usize) -> usize {
    let items = usize::try_from(limit.unwrap_or(default).min(MAX_LIMIT)).unwrap_or(usize::MAX);
    items.saturating_mul(each).saturating_add(1)
}

/// How many items a page may have.
pub fn limit(limit: Option<u32>, default: u32) -> Result<u32, EngineError> {
    let limit = limit.unwrap_or(default);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(EngineError::invalid("/limit", format!("use 1 to {MAX_LIMIT}")))
}

/// Where a page begins, and which list it is of.
pub struct Place {
    /// As the engine takes it.
    pub page: Page,
    stamp: ListStamp,
}

impl Place {
    /// Reads the arguments of a list that is known by its name and its filters. A cursor of another list is refused: it
    /// would show a page of something else.
    pub fn read(
        list: &str,
        filters: &impl Debug,
        limit: Option<u32>,
        default: u32,
        cursor: Option<&str>,
    ) -> Result<Self, EngineError> {
        let limit = self::limit(limit, default)?;
        let stamp = ListStamp::new(list, [format!("{filters:?}").as_bytes()]);
        let wrong = |detail: &'static str| EngineError::invalid("/cursor", detail);
        let before = cursor.map(|text| stamp.decode(text)).transpose().map_err(wrong)?;
        Ok(Self { page: Page { before, limit }, stamp })
    }

    /// The page as it is shown.
    pub fn show<I, T: OutputType + From<I>>(&self, slice: Slice<I>) -> Paged<T> {
        let next_cursor = slice.next.map(|before| self.stamp.encode(before));
        Paged { data: slice.items.into_iter().map(T::from).collect(), next_cursor }
    }
}
