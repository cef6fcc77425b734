//! Everything that the scenarios share: servers, receiver, topic, and what is known of messages and deliveries.

use std::sync::{Arc, Mutex};

use crate::arrivals::Arrivals;
use crate::clock::{Clock, nanos};
use crate::error::Result;
use crate::fleet::Fleet;
use crate::generator::{Load, Way};
use crate::ledger::Ledger;
use crate::options::BenchOptions;
use crate::pace::Pace;
use crate::receiver::{self, Manner, Receiver};
use crate::template::Template;

/// The prepared benchmark.
#[derive(Debug)]
pub struct Stage {
    /// What was asked for.
    pub options: BenchOptions,
    /// The time of everything.
    pub clock: Clock,
    /// What the publishers know.
    pub ledger: Arc<Ledger>,
    /// What the receiver knows.
    pub arrivals: Arc<Mutex<Arrivals>>,
    /// The topic of the measured messages.
    pub topic: String,
    /// The endpoints that want it.
    pub endpoints: Vec<String>,
    run: String,
    /// Paths of what was made at the server, to be deleted in the opposite order.
    made: Vec<String>,
    receiver: Receiver,
}

impl Stage {
    /// Starts the receiver, and makes a topic with its endpoints.
    pub async fn prepare(options: BenchOptions, fleet: &Fleet) -> Result<Self> {
        let clock = Clock::start();
        let ledger = Arc::new(Ledger::default());
        let arrivals = Arc::new(Mutex::new(Arrivals::new(ledger.clone(), options.fan_out)?));
        let receiver = Receiver::start(options.receive_on, Manner::Take(arrivals.clone(), clock))?;
        // Two benchmarks of one server do not get each other's messages.
        let run = format!("bench-{}-{}", std::process::id(), receiver.address().port());
        let topic = run.clone();
        let mut stage =
            Self { options, clock, ledger, arrivals, topic, endpoints: Vec::new(), run, made: Vec::new(), receiver };
        let topic = stage.topic.clone();
        stage.make_topic(fleet, &topic).await?;
        let address = stage.receiver.address();
        for endpoint in 0..stage.options.fan_out {
            let url = format!("http://{address}{}", receiver::path(endpoint));
            let endpoint = stage.make_endpoint(fleet, None, &url, &topic).await?;
            stage.endpoints.push(endpoint);
        }
        Ok(stage)
    }

    /// The name of a topic beside the measured one.
    pub fn topic_beside(&self, name: &str) -> String {
        format!("{}-{name}", self.topic)
    }

    /// Makes a topic that is deleted at the end.
    pub async fn make_topic(&mut self, fleet: &Fleet, name: &str) -> Result<()> {
        fleet.api().create_topic(name).await?;
        self.made.push(format!("/v1/topics/{name}"));
        Ok(())
    }

    /// Makes an endpoint that is deleted at the end, and answers its id.
    pub async fn make_endpoint(
        &mut self,
        fleet: &Fleet,
        tenant: Option<&str>,
        url: &str,
        topic: &str,
    ) -> Result<String> {
        let id = fleet.api().create_endpoint(tenant, url, topic).await?;
        self.made.push(format!("/v1/endpoints/{id}"));
        Ok(id)
    }

    /// Deletes at the server what was made there. A started server is thrown away whole.
    pub async fn clean(self, fleet: &Fleet) -> Result<()> {
        if self.options.target.server.is_some() {
            for path in self.made.iter().rev() {
                fleet.api().delete(path).await?;
            }
        }
        Ok(())
    }

    /// The load that the options describe.
    pub fn load(&self, fleet: &Fleet) -> Load {
        let options = &self.options;
        let persistent = options.kill_every.is_some();
        Load {
            way: if options.grpc_stream.is_some() { Way::Streams } else { Way::Requests },
            servers: fleet.apis().iter().map(|api| api.address).collect(),
            connections: options.grpc_stream.unwrap_or(options.connections),
            pace: self.pace(options.rate),
            template: Template {
                host: fleet.api().host.clone(),
                key: fleet.api().key.clone(),
                topic: self.topic.clone(),
                tenant: None,
                payload_bytes: options.payload_bytes,
                batch: options.batch,
                idempotency: persistent.then(|| self.run.clone()),
            },
            fan_out: options.fan_out,
            persistent,
            most_messages: Arrivals::most_messages(options.fan_out),
        }
    }

    /// So many messages a second, or as fast as it goes.
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most 500 messages")]
    pub fn pace(&self, messages_per_second: Option<f64>) -> Pace {
        match messages_per_second {
            Some(rate) => Pace::Open { requests_per_second: rate / self.options.batch as f64 },
            None => Pace::Closed { outstanding: self.options.outstanding },
        }
    }

    /// Deliveries that are owed for what was accepted.
    pub fn owed(&self) -> u64 {
        self.ledger.accepted() * u64::from(self.options.fan_out)
    }

    /// Waits until all that was accepted has come, or nothing has come for the drain's time.
    pub async fn drain(&self) {
        let patience = nanos(self.options.drain());
        let mut seen = (self.ledger.delivered(), self.clock.now());
        while self.ledger.delivered() < self.owed() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let delivered = self.ledger.delivered();
            if delivered != seen.0 {
                seen = (delivered, self.clock.now());
            } else if self.clock.now() - seen.1 > patience {
                return;
            }
        }
    }
}
