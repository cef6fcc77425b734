//! A `tower` layer that publishes one event for each successful request, on a topic per route.
//!
//! ```sh
//! cargo run -p posthaste --example tower_layer -- http://127.0.0.1:9000/
//! curl -X POST localhost:8080/users/7
//! ```
//!
//! `POST /users/{id}` becomes `http.post.users`. The answer waits until the event is stored.

use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use axum::routing::post;
use posthaste::{Options, Posthaste};
use serde_json::json;
use tower::{Layer, Service};

/// Publishes through these hooks.
#[derive(Clone)]
struct Publish(Posthaste);

impl<S> Layer<S> for Publish {
    type Service = Publishing<S>;
    fn layer(&self, inner: S) -> Publishing<S> {
        Publishing { inner, hooks: self.0.clone() }
    }
}

/// A service whose successes are published.
#[derive(Clone)]
struct Publishing<S> {
    inner: S,
    hooks: Posthaste,
}

impl<S> Service<Request> for Publishing<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let hooks = self.hooks.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            if let Some(route) = route.filter(|_| response.status().is_success()) {
                let event = json!({"method": method.as_str(), "path": path, "status": response.status().as_u16()});
                if let Err(error) = hooks.fire(topic(method.as_str(), &route), &event).await {
                    eprintln!("not published: {error}");
                }
            }
            Ok(response)
        })
    }
}

/// `POST /users/{id}` is `http.post.users`.
fn topic(method: &str, route: &str) -> String {
    let fixed = route.split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
    let mut words = vec!["http".to_owned(), method.to_ascii_lowercase()];
    words.extend(fixed.map(str::to_owned));
    words.join(".")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hooks = Options::new("sqlite:requests-hooks.db").allow_net("127.0.0.0/8").open().await?;
    for url in std::env::args().skip(1) {
        hooks.register("http.post.users", &url).await?;
    }
    hooks.start().await?;
    let app = Router::new().route("/users/{id}", post(async || "made")).route_layer(Publish(hooks.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("POST http://127.0.0.1:8080/users/7");
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    hooks.stop().await;
    Ok(())
}
