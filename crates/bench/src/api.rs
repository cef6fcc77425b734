//! The few calls by which the benchmark prepares a server, over its own wire.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{BenchError, Result};
use crate::wire::{Connection, WireError};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server's API.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where it listens.
    pub address: SocketAddr,
    /// The `host` field.
    pub host: String,
    /// The key, if it wants one.
    pub key: Option<String>,
}

impl Api {
    /// The API at a URL such as `http://127.0.0.1:7678`. The load generator speaks plain HTTP only.
    pub fn at(url: &str, key: Option<String>) -> Result<Self> {
        let refuse = |detail: String| BenchError::Option { option: "--server", detail };
        let host = url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@']))
            .ok_or_else(|| refuse(format!("give http://HOST:PORT without a path, not {url:?}")))?;
        let with_port = if host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let address = with_port
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .ok_or_else(|| refuse(format!("{host} has no address")))?;
        Ok(Self { address, host: host.to_owned(), key })
    }

    /// Calls the API; any status is an answer.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Vec<u8>)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = self.head(method, path);
        let request = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        self.answered(method, path, async {
            let mut connection = Connection::open(self.address).await?;
            let answer = connection.exchange(request.as_bytes()).await?;
            Ok((answer.status, answer.body.to_vec()))
        })
        .await
    }

    /// The request line and the fields that every request has.
    fn head(&self, method: &str, path: &str) -> String {
        let authorization = self.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{authorization}content-type: application/json\r\n", self.host)
    }

    async fn answered<T>(
        &self,
        method: &str,
        path: &str,
        exchange: impl Future<Output = std::result::Result<T, WireError>>,
    ) -> Result<T> {
        let doing = || format!("{method} {path} at {}", self.address);
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(BenchError::Io { doing: doing(), source: std::io::Error::other(error) }),
            Err(_) => Err(BenchError::Io { doing: doing(), source: std::io::ErrorKind::TimedOut.into() }),
        }
    }

    /// A connection for many reads.
    pub async fn reader(&self) -> Result<Reader<'_>> {
        let connection = self.answered("GET", "/", async { Ok(Connection::open(self.address).await?) }).await?;
        Ok(Reader { api: self, connection })
    }

    /// Reads one document.
    pub async fn get(&self, path: &str) -> Result<Value> {
        expect("GET", path, self.call("GET", path, None).await?)
    }

    /// Publishes one message.
    pub async fn publish(&self, message: &Value) -> Result<Value> {
        let path = "/v1/messages";
        expect("POST", path, self.call("POST", path, Some(message)).await?)
    }

    /// Changes an endpoint.
    pub async fn patch_endpoint(&self, id: &str, change: &Value) -> Result<()> {
        let path = format!("/v1/endpoints/{id}");
        expect("PATCH", &path, self.call("PATCH", &path, Some(change)).await?).map(drop)
    }

    /// Whether the server says that it can accept and send.
    pub async fn is_ready(&self) -> bool {
        matches!(self.call("GET", "/readyz", None).await, Ok((200, _)))
    }

    /// Makes a topic; it is fine if there is one of that name.
    pub async fn create_topic(&self, name: &str) -> Result<()> {
        let answer = self.call("POST", "/v1/topics", Some(&json!({"name": name}))).await?;
        match answer.0 {
            409 => Ok(()),
            _ => expect("POST", "/v1/topics", answer).map(drop),
        }
    }

    /// Makes an endpoint that wants a topic, and answers its id.
    pub async fn create_endpoint(&self, tenant: Option<&str>, url: &str, topic: &str) -> Result<String> {
        let mut endpoint = json!({"url": url, "topics": [topic], "disable_after_seconds": null});
        if let Some(tenant) = tenant {
            endpoint["tenant"] = tenant.into();
        }
        let path = "/v1/endpoints";
        let created = expect("POST", path, self.call("POST", path, Some(&endpoint)).await?)?;
        created["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| BenchError::Answer { path: path.to_owned(), detail: "it has no id".to_owned() })
    }

    /// Pauses an endpoint: it goes on to take deliveries, and holds them.
    pub async fn pause_endpoint(&self, id: &str) -> Result<()> {
        let path = format!("/v1/endpoints/{id}/pause");
        expect("POST", &path, self.call("POST", &path, None).await?).map(drop)
    }

    /// Deletes what the benchmark made.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let answer = self.call("DELETE", path, None).await?;
        match answer.0 {
            200..=299 | 404 => Ok(()),
            status => Err(refused("DELETE", path, status, &answer.1)),
        }
    }

    /// Exchanges in flight at this moment, as the server's metrics have it.
    pub async fn in_flight(&self) -> Option<u64> {
        let (status, body) = self.call("GET", "/metrics", None).await.ok()?;
        (status == 200).then(|| read_gauge(&String::from_utf8_lossy(&body), "posthaste_in_flight"))?
    }
}

/// One kept-alive connection to the API.
#[derive(Debug)]
pub struct Reader<'a> {
    api: &'a Api,
    connection: Connection,
}

impl Reader<'_> {
    /// Reads one document.
    pub async fn get(&mut self, path: &str) -> Result<Value> {
        let request = format!("{}\r\n", self.api.head("GET", path));
        let connection = &mut self.connection;
        let answer = self.api.answered("GET", path, async {
            let answer = connection.exchange(request.as_bytes()).await?;
            Ok((answer.status, answer.body.to_vec()))
        });
        expect("GET", path, answer.await?)
    }
}

fn expect(method: &'static str, path: &str, (status, body): (u16, Vec<u8>)) -> Result<Value> {
    if !(200..300).contains(&status) {
        return Err(refused(method, path, status, &body));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body)
        .map_err(|error| BenchError::Answer { path: path.to_owned(), detail: error.to_string() })
}

fn refused(method: &'static str, path: &str, status: u16, body: &[u8]) -> BenchError {
    let body = String::from_utf8_lossy(body).chars().take(500).collect();
    BenchError::Refused { method, path: path.to_owned(), status, body }
}

/// Reads an unlabelled gauge from Prometheus text.
fn read_gauge(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_scheme_host_and_port() {
        let api = Api::at("http://127.0.0.1:7678/", None).unwrap();
        assert_eq!(api.address, "127.0.0.1:7678".parse().unwrap());
        assert_eq!(Api::at("http://127.0.0.1", None).unwrap().address.port(), 80);
        for url in ["https://127.0.0.1", "127.0.0.1:1", "http://", "http://127.0.0.1/v1", "http://a@127.0.0.1"] {
            let error = Api::at(url, None).unwrap_err().to_string();
            assert!(error.starts_with("--server: give http://HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn a_gauge_is_read_by_its_whole_name() {
        let text = "# HELP posthaste_in_flight x\nposthaste_in_flight_ms 9\nposthaste_in_flight 42\n";
        assert_eq!(read_gauge(text, "posthaste_in_flight"), Some(42));
        assert_eq!(read_gauge(text, "posthaste_in"), None);
    }
}
