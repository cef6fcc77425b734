//! A server that the benchmark started, may kill, and starts again.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::cluster::free_port;
use crate::error::{BenchError, Result};
use crate::process::{self, Memory};

/// How long a server may take until it is ready; after a kill it may have a lease to wait for.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many bytes of its log are shown when it does not start.
const LOG_SHOWN: usize = 2_000;

/// How servers are started.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The `posthaste` program.
    pub program: PathBuf,
    /// Its `--database-url`.
    pub database_url: String,
    /// Where it runs and logs.
    pub directory: PathBuf,
}

/// A server's process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    recipe: Recipe,
    address: SocketAddr,
    child: Child,
    /// Of those that were killed.
    spent: Duration,
    peak: u64,
}

impl Server {
    /// Starts a server on a free port and waits until it is ready.
    pub async fn start(recipe: Recipe) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let child = recipe.spawn(address)?;
        let mut server = Self { recipe, address, child, spent: Duration::ZERO, peak: 0 };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Its API; on loopback it asks for no key.
    pub fn api(&self) -> Api {
        Api { address: self.address, host: self.address.to_string(), key: None }
    }

    /// Kills it without notice.
    pub fn kill(&mut self) -> Result<()> {
        self.spent += process::cpu(self.child.id())?;
        self.peak = self.peak.max(process::memory(self.child.id())?.peak);
        self.child.kill().map_err(BenchError::io("killing the server"))?;
        self.child.wait().map_err(BenchError::io("waiting for the killed server"))?;
        Ok(())
    }

    /// Starts it again where it was, and waits until it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.child = self.recipe.spawn(self.address)?;
        self.wait_until_ready().await
    }

    /// Processor time of it and its predecessors.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(self.spent + process::cpu(self.child.id())?)
    }

    /// Its memory; the highest of it and its predecessors.
    pub fn memory(&self) -> Result<Memory> {
        let memory = process::memory(self.child.id())?;
        Ok(Memory { peak: memory.peak.max(self.peak), ..memory })
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        let api = self.api();
        loop {
            let failed = |why: String, log: &Path| BenchError::Start {
                what: "the server".to_owned(),
                detail: format!("{why}; the end of its log:\n{}", tail(log)),
            };
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(failed(format!("it ended with {status}"), &self.recipe.log(self.address)));
            }
            if api.is_ready().await {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(failed(format!("not ready within {PATIENCE:?}"), &self.recipe.log(self.address)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Recipe {
    fn log(&self, address: SocketAddr) -> PathBuf {
        self.directory.join(format!("server-{}.log", address.port()))
    }

    fn spawn(&self, address: SocketAddr) -> Result<Child> {
        let log = self.log(address);
        let open = || -> std::io::Result<(File, File)> {
            let file = OpenOptions::new().create(true).append(true).open(&log)?;
            Ok((file.try_clone()?, file))
        };
        let (output, errors) = open().map_err(BenchError::io(format!("opening {}", log.display())))?;
        let mut command = Command::new(&self.program);
        // Settings of whoever runs the benchmark are not part of what it measures.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"POSTHASTE_")) {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .args(["--database-url", &self.database_url])
            .args(["--allow-net", "127.0.0.0/8"])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0);
        command.spawn().map_err(BenchError::io(format!("starting {} serve", self.program.display())))
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_SHOWN)..]).into_owned()
}
