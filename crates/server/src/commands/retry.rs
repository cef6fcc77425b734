//! `posthaste retry`: dead letters sent again, by id or all of an endpoint's.

use http::Method;
use serde_json::Value;

use crate::client::Client;
use crate::client::query::Query;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};

/// Which deliveries.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  posthaste retry dlv_01j…                        one delivery
  posthaste retry --endpoint ep_01j… --failed     every failed delivery of an endpoint
  posthaste retry --failed --topic order.created")]
pub struct Retry {
    /// Their ids
    #[arg(value_name = "DELIVERY", required_unless_present = "failed")]
    ids: Vec<String>,
    /// All failed ones, narrowed by the options below
    #[arg(long, conflicts_with = "ids")]
    failed: bool,
    /// Only of this endpoint
    #[arg(long, value_name = "ID", requires = "failed")]
    endpoint: Option<String>,
    /// Only of this topic
    #[arg(long, requires = "failed")]
    topic: Option<String>,
    /// Only of this tenant
    #[arg(long, requires = "failed")]
    tenant: Option<String>,
}

/// Retries them one by one; goes on after one that is refused, and then ends with its sentence.
pub async fn run(options: Retry, client: &Client, format: Format) -> Result<()> {
    let ids = if options.failed { failed(&options, client).await? } else { options.ids };
    let mut begun = 0_u64;
    let mut first_refusal = None;
    for id in &ids {
        let path = format!("/v1/deliveries/{}/retry", crate::client::query::segment(id));
        match client.call(Method::POST, &path, None).await {
            Ok(delivery) => {
                begun += 1;
                match format {
                    Format::Json => output::line(&delivery.to_string())?,
                    Format::Table => output::line(&format!("{id} is tried again"))?,
                }
            }
            Err(failure) => first_refusal = first_refusal.or_else(|| Some((id.clone(), failure))),
        }
    }
    match first_refusal {
        Some((id, failure)) => {
            let missed = u64::try_from(ids.len()).unwrap_or(u64::MAX) - begun;
            Err(Failure::new(format!("{missed} of {} were not retried; {id}: {failure}", ids.len())))
        }
        None if ids.is_empty() => output::line("nothing has failed"),
        None => Ok(()),
    }
}

/// The ids of every failed delivery that is meant, gathered before the first is retried: a list that shrinks while it
/// is read would skip some.
async fn failed(options: &Retry, client: &Client) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let query = Query::default()
            .with("status", Some("failed"))
            .with("limit", Some("250"))
            .with("endpoint_id", options.endpoint.as_deref())
            .with("topic", options.topic.as_deref())
            .with("tenant", options.tenant.as_deref())
            .with("cursor", cursor.as_deref());
        let page = client.call(Method::GET, &query.on("/v1/deliveries"), None).await?;
        let found = page["data"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str());
        ids.extend(found.map(str::to_owned));
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(ids),
        }
    }
}
