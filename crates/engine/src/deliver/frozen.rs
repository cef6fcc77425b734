//! The settings that a message was accepted with, for endpoints that ask for them (`settings: at_publish`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use posthaste_core::endpoint::SettingsAt;
use posthaste_core::{Endpoint, EndpointId};
use posthaste_store::StoreError;

use crate::Engine;
use crate::catalog::EndpointView;
use crate::dispatch::job::Job;

/// How many revisions are remembered; then all are forgotten, and read again as they are needed.
const MOST: usize = 4_096;

/// What is known of one past revision of an endpoint.
#[derive(Debug, Clone)]
enum Past {
    /// Messages accepted with it go out with the endpoint's settings as they are.
    Follows,
    /// They go out with these.
    Frozen(Arc<EndpointView>),
}

/// Past revisions by endpoint and number.
#[derive(Debug, Default)]
pub struct FrozenSettings(Mutex<HashMap<(EndpointId, u32), Past>>);

impl FrozenSettings {
    fn get(&self, key: (EndpointId, u32)) -> Option<Past> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn put(&self, key: (EndpointId, u32), past: Past) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, past);
    }
}

impl Engine {
    /// The settings that a job is sent with: the endpoint's, or those of the revision that its message was matched with
    /// if that one said so. Secrets are always the endpoint's: a rotated one must not live on.
    pub(crate) async fn as_published(
        &self,
        job: &Job,
        current: &Arc<EndpointView>,
    ) -> Result<Arc<EndpointView>, StoreError> {
        let revision = match job.message.target(job.delivery) {
            Some(target) if target.revision != current.endpoint.revision => target.revision,
            _ => return Ok(current.clone()),
        };
        let key = (job.endpoint, revision);
        match self.0.frozen.get(key) {
            Some(Past::Follows) => return Ok(current.clone()),
            Some(Past::Frozen(view)) if view.endpoint.secrets == current.endpoint.secrets => return Ok(view),
            Some(Past::Frozen(_)) | None => {}
        }
        let past = self.0.store.endpoint_revision(job.endpoint, revision).await?;
        let Some(settings) = past.filter(|settings| settings.settings == SettingsAt::AtPublish) else {
            self.0.frozen.put(key, Past::Follows);
            return Ok(current.clone());
        };
        let endpoint = Endpoint { settings, revision, ..current.endpoint.clone() };
        let view = Arc::new(EndpointView::new(endpoint));
        self.0.frozen.put(key, Past::Frozen(view.clone()));
        Ok(view)
    }
}
