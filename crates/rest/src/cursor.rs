//! Pages: `limit`, and a cursor that only fits the list that it came from.

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use posthaste_engine::cursor::{DEFAULT_LIMIT, ListStamp, MAX_LIMIT};
use posthaste_store::{Page, Slice};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;
use crate::query::{self, Pairs};

/// The parameters of every list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; List reads them")]
pub struct PageQuery {
    /// How many items at the most.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before; without it the newest items.
    cursor: Option<String>,
}

/// What a list filters by; a type with `deny_unknown_fields`.
pub trait Filter: DeserializeOwned {
    /// Whether parameters `metadata.KEY` are filters too.
    const BY_METADATA: bool = false;
}

/// A list's parameters: where the page begins, and which items it shows.
pub struct List<T> {
    /// Where the page begins and how long it may be.
    pub page: Page,
    /// Which items.
    pub filter: T,
    /// The `metadata.KEY` parameters, by `KEY`; only where the filter takes them.
    pub metadata: Pairs,
    stamp: ListStamp,
}

impl<S: Sync, T: Filter> FromRequestParts<S> for List<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.uri)
    }
}

impl<T: Filter> List<T> {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut pairs = query::pairs(uri.query())?;
        let limit = take(&mut pairs, "limit").map(|text| limit(&text)).transpose()?.unwrap_or(DEFAULT_LIMIT);
        let cursor = take(&mut pairs, "cursor");
        let stamp = stamp(uri.path(), &pairs);
        let before = cursor
            .map(|text| stamp.decode(&text))
            .transpose()
            .map_err(|detail| Problem::parameter("cursor", detail))?;
        let mut metadata = Pairs::new();
        if T::BY_METADATA {
            pairs.retain_mut(|(name, value)| match name.strip_prefix("metadata.") {
                None => true,
                Some(key) => {
                    metadata.push((key.to_owned(), std::mem::take(value)));
                    false
                }
            });
        }
        Ok(Self { page: Page { before, limit }, filter: query::read(pairs)?, metadata, stamp })
    }
}

impl<T> List<T> {
    /// A page as it is shown.
    pub fn show<I, V>(&self, slice: Slice<I>, show: impl Fn(I) -> V) -> Listed<V> {
        let next_cursor = slice.next.map(|before| self.stamp.encode(before));
        Listed { data: slice.items.into_iter().map(show).collect(), next_cursor }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<V> {
    /// The items, newest first; may be fewer than `limit`, even none, although there is more.
    data: Vec<V>,
    /// The `cursor` of the next page; null: this was the last.
    next_cursor: Option<String>,
}

fn take(pairs: &mut Pairs, name: &str) -> Option<String> {
    let index = pairs.iter().position(|(known, _)| known == name)?;
    Some(pairs.swap_remove(index).1)
}

fn limit(text: &str) -> Result<u32, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Problem::parameter("limit", format!("use 1 to {MAX_LIMIT}")))
}

/// What a list is: its path and its filters, in whatever order they were given.
fn stamp(path: &str, filters: &Pairs) -> ListStamp {
    let mut filters: Vec<&(String, String)> = filters.iter().collect();
    filters.sort_unstable();
    ListStamp::new(path, filters.into_iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filtered {
        #[expect(dead_code, reason = "only read into")]
        topic: Option<String>,
        #[expect(dead_code, reason = "only read into")]
        tenant: Option<String>,
    }
    impl Filter for Filtered {
        const BY_METADATA: bool = true;
    }

    fn list(uri: &str) -> Result<List<Filtered>, Problem> {
        List::read(&uri.parse().unwrap())
    }

    fn next(uri: &str) -> String {
        let listed = list(uri).unwrap().show(Slice { items: vec![1], next: Some(77) }, |item| item);
        listed.next_cursor.unwrap()
    }

    #[test]
    fn a_cursor_goes_on_where_its_page_ended() {
        let cursor = next("/v1/messages?topic=a&tenant=b");
        let page = list(&format!("/v1/messages?tenant=b&limit=7&cursor={cursor}&topic=a")).unwrap().page;
        assert_eq!(page, Page { before: Some(77), limit: 7 });
    }

    #[test]
    fn a_cursor_from_another_list_is_refused() {
        let cursor = next("/v1/messages?topic=a");
        for other in ["/v1/messages?topic=b&", "/v1/messages?", "/v1/deliveries?topic=a&", "/v1/messages?tenant=a&"] {
            let problem = list(&format!("{other}cursor={cursor}")).err().unwrap();
            let shown = serde_json::to_string(&problem.document(None)).unwrap();
            assert!(problem.status() == 400 && shown.contains("from another list"), "{other}: {shown}");
        }
        assert!(list("/v1/messages?cursor=x").is_err());
    }

    #[test]
    fn a_page_has_one_to_250_items() {
        for bad in ["0", "251", "-1", "x", ""] {
            assert!(list(&format!("/v1/messages?limit={bad}")).is_err(), "{bad}");
        }
        assert_eq!(list("/v1/messages?limit=250").unwrap().page.limit, 250);
    }

    #[test]
    fn metadata_filters_have_names_of_the_callers() {
        let list = list("/v1/messages?metadata.order=7&topic=a").unwrap();
        assert_eq!(list.metadata, [("order".to_owned(), "7".to_owned())]);
    }
}
