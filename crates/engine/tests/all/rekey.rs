//! Another key for the endpoint secrets.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::EndpointId;
use posthaste_engine::rekey::{RekeyError, Rekeyed, Sealed, probe, rekey};
use posthaste_engine::vault::Vault;
use posthaste_store::{Catalog as _, Directory as _};
use posthaste_store_sqlite::SqliteStore;
use serde_json::json;

use crate::site::Site;

const OLD: &str = "correct horse battery staple";
const NEW: &str = "another horse, another staple";

/// A store that an engine has left, with so many endpoints sealed with the old key.
async fn store(count: u32) -> (SqliteStore, Vec<EndpointId>) {
    let store = SqliteStore::open(":memory:").await.unwrap();
    let site = Site::on(Arc::new(store.clone()), |options| options.secret_key = Some(OLD.to_owned())).await;
    let mut ids = Vec::new();
    for number in 0..count {
        let members = json!({"secret": format!("secret number {number}")});
        ids.push(site.endpoint(&format!("https://example.com/{number}"), members).await.id);
    }
    site.try_publish(json!({"urls": ["https://example.com/adhoc"], "payload": 1, "delay_seconds": 3600}))
        .await
        .unwrap();
    site.engine.stop(Duration::ZERO).await;
    (store, ids)
}

fn vaults() -> (Vault, Vault) {
    (Vault::new(Some(OLD)).unwrap(), Vault::new(Some(NEW)).unwrap())
}

#[tokio::test]
async fn an_interrupted_run_is_ended_by_another_and_no_secret_is_lost() {
    let (store, ids) = store(3).await;
    let (old, new) = vaults();
    let mut first = store.endpoint(ids[1]).await.unwrap().unwrap();
    first.secrets = new.seal(first.id, &old.open(first.id, &first.secrets).unwrap()).unwrap();
    first.revision += 1;
    store.update_endpoint(&first, None).await.unwrap();

    assert_eq!(rekey(&store, &old, &new).await.unwrap(), Rekeyed { sealed: 3, already: 1 }, "with the ad-hoc one");
    for (number, id) in ids.into_iter().enumerate() {
        let endpoint = store.endpoint(id).await.unwrap().unwrap();
        let secrets = new.open(id, &endpoint.secrets).unwrap();
        assert_eq!(secrets.current.key(), format!("secret number {number}").as_bytes());
        assert!(old.open(id, &endpoint.secrets).is_err());
    }
    assert_eq!(rekey(&store, &old, &new).await.unwrap(), Rekeyed { sealed: 0, already: 4 });
}

#[tokio::test]
async fn a_wrong_old_key_changes_nothing() {
    let (store, ids) = store(2).await;
    let (old, new) = vaults();
    let wrong = Vault::new(Some("a key that sealed nothing at all")).unwrap();
    assert!(matches!(rekey(&store, &wrong, &new).await, Err(RekeyError::Closed(_))));
    for id in ids {
        let endpoint = store.endpoint(id).await.unwrap().unwrap();
        assert_eq!(endpoint.revision, 1);
        assert!(old.open(id, &endpoint.secrets).is_ok());
    }
    assert_eq!(probe(&store, &old).await.unwrap(), Sealed::Opens);
    assert!(matches!(probe(&store, &wrong).await.unwrap(), Sealed::Closed(_)));
}

#[tokio::test]
async fn secrets_stored_unsealed_are_sealed() {
    let (store, ids) = store(1).await;
    let (old, new) = vaults();
    let none = Vault::new(None).unwrap();
    assert_eq!(rekey(&store, &old, &none).await.unwrap().sealed, 2);
    assert_eq!(probe(&store, &none).await.unwrap(), Sealed::Nothing);
    assert_eq!(rekey(&store, &none, &new).await.unwrap(), Rekeyed { sealed: 2, already: 0 });
    let endpoint = store.endpoint(ids[0]).await.unwrap().unwrap();
    assert_eq!(new.open(ids[0], &endpoint.secrets).unwrap().current.key(), b"secret number 0");
}
