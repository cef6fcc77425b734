//! A program with its own HTTP server that sends webhooks from inside.
//!
//! ```sh
//! cargo run -p posthaste --example embedded -- http://127.0.0.1:9000/
//! curl -X POST localhost:8080/orders -d '{"id": 1}'
//! ```
//!
//! Every order is fired at `order.created`; the URL on the command line is registered for it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use posthaste::{Options, Posthaste};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hooks = Options::new("sqlite:orders-hooks.db").allow_net("127.0.0.0/8").open().await?;
    for url in std::env::args().skip(1) {
        hooks.register("order.created", &url).await?;
    }
    hooks.start().await?;
    let app = Router::new().route("/orders", post(create_order)).with_state(hooks.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("POST http://127.0.0.1:8080/orders");
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            // Without a signal handler the server runs until it is killed, which loses nothing either.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    hooks.stop().await;
    Ok(())
}

/// Answers only once the event is stored: whoever reads the 201 can rely on the webhook.
async fn create_order(State(hooks): State<Posthaste>, Json(order): Json<Value>) -> (StatusCode, Json<Value>) {
    match hooks.fire("order.created", &order).await {
        Ok(fired) => (StatusCode::CREATED, Json(json!({"deliveries": fired.deliveries}))),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": error.to_string()}))),
    }
}
