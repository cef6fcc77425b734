//! Whom the benchmark drives: servers that run already, or those it started, with their database.

use std::time::Duration;

use tempfile::TempDir;

use crate::api::Api;
use crate::cluster::Cluster;
use crate::database::Psql;
use crate::error::{BenchError, Result};
use crate::options::{BenchOptions, Spawn};
use crate::process;
use crate::server::{Recipe, Server};

/// The servers and their database. Servers stop before their database, and it before its files.
#[derive(Debug)]
pub struct Fleet {
    apis: Vec<Api>,
    servers: Vec<Server>,
    foreign: Vec<u32>,
    database_pid: Option<u32>,
    psql: Option<Psql>,
    described: String,
    _cluster: Option<Cluster>,
    _directory: Option<TempDir>,
}

/// Processor time used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// By the servers; unknown without their process ids.
    pub servers: Option<Duration>,
    /// By the database's processes; unknown without the first one's id.
    pub database: Option<Duration>,
}

impl Fleet {
    /// Finds or starts the servers.
    pub async fn gather(options: &BenchOptions) -> Result<Self> {
        match &options.target.server {
            Some(url) => Self::foreign(url, options),
            None => Self::spawn(options).await,
        }
    }

    fn foreign(url: &str, options: &BenchOptions) -> Result<Self> {
        Ok(Self {
            apis: vec![Api::at(url, options.target.key.clone())?],
            servers: Vec::new(),
            foreign: options.server_pid.clone(),
            database_pid: options.database_pid,
            psql: None,
            described: url.to_owned(),
            _cluster: None,
            _directory: None,
        })
    }

    async fn spawn(options: &BenchOptions) -> Result<Self> {
        let parent = options.directory.clone().unwrap_or_else(std::env::temp_dir);
        let directory =
            TempDir::with_prefix_in("posthaste-bench-", parent).map_err(BenchError::io("making a directory"))?;
        let (cluster, psql, database_url, described) =
            match (options.spawn.unwrap_or(Spawn::Sqlite), &options.database_url) {
                (Spawn::Sqlite, _) => {
                    let file = directory.path().join("bench.db");
                    (None, None, format!("sqlite:{}", file.display()), "SQLite".to_owned())
                }
                (Spawn::Postgres, Some(url)) => {
                    let psql = Psql { program: "psql".into(), url: url.clone() };
                    (None, Some(psql), url.clone(), "PostgreSQL as given".to_owned())
                }
                (Spawn::Postgres, None) => {
                    let parent = options.directory.clone();
                    let started = tokio::task::spawn_blocking(|| Cluster::start(parent)).await;
                    let cluster = started.map_err(|_| BenchError::Panicked("cluster"))??;
                    let psql = Psql { program: cluster.psql(), url: cluster.url() };
                    let url = cluster.url();
                    (Some(cluster), Some(psql), url, "PostgreSQL, throwaway cluster, fsync on".to_owned())
                }
            };
        let program = match &options.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(BenchError::io("finding this program's file"))?,
        };
        let recipe = Recipe { program, database_url, directory: directory.path().to_owned() };
        let mut servers = Vec::new();
        for _ in 0..options.nodes {
            servers.push(Server::start(recipe.clone()).await?);
        }
        Ok(Self {
            apis: servers.iter().map(Server::api).collect(),
            described: format!("{} × posthaste serve on {described}", servers.len()),
            servers,
            foreign: Vec::new(),
            database_pid: cluster.as_ref().map(Cluster::pid).or(options.database_pid),
            psql,
            _cluster: cluster,
            _directory: Some(directory),
        })
    }

    /// The servers' APIs; there is at least one.
    pub fn apis(&self) -> &[Api] {
        &self.apis
    }

    /// The API of the first server, by which everything is prepared.
    pub fn api(&self) -> &Api {
        &self.apis[0]
    }

    /// The servers that may be killed: those that the benchmark started.
    pub fn servers(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// How to ask the database.
    pub fn psql(&self) -> Option<&Psql> {
        self.psql.as_ref()
    }

    /// For the report's reader.
    pub fn described(&self) -> &str {
        &self.described
    }

    /// Processor time used so far.
    pub fn spent(&self) -> Result<Spent> {
        let own = self.servers.iter().map(Server::cpu);
        let times: Vec<Duration> =
            own.chain(self.foreign.iter().map(|&pid| process::cpu(pid))).collect::<Result<_>>()?;
        Ok(Spent {
            servers: (!times.is_empty()).then(|| times.iter().sum()),
            database: self.database_pid.map(process::cpu_of_family).transpose()?,
        })
    }

    /// Memory of the servers, resident and peak, in bytes; unknown without their process ids.
    pub fn memory(&self) -> Result<Option<process::Memory>> {
        let own = self.servers.iter().map(Server::memory);
        let all: Vec<process::Memory> =
            own.chain(self.foreign.iter().map(|&pid| process::memory(pid))).collect::<Result<_>>()?;
        Ok((!all.is_empty()).then(|| process::Memory {
            resident: all.iter().map(|memory| memory.resident).sum(),
            peak: all.iter().map(|memory| memory.peak).sum(),
        }))
    }
}
