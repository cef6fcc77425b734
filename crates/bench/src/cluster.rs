//! A throwaway PostgreSQL cluster, as durable as a real one: fsync on.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{BenchError, Result};

/// How long the cluster may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many bytes of its log are shown when it does not start.
const LOG_SHOWN: usize = 2_000;
/// The programs that it takes.
const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_isready", "pg_ctl", "psql"];
/// Who owns the cluster when the benchmark runs as root, which PostgreSQL refuses to.
const OWNER: &str = "postgres";
/// What differs from PostgreSQL's own defaults. Durability does not.
const SETTINGS: [&str; 4] = ["fsync=on", "synchronous_commit=on", "shared_buffers=256MB", "max_wal_size=4GB"];

/// A running cluster; it is stopped and deleted when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    owner: Option<Owner>,
    port: u16,
    process: Child,
    directory: TempDir,
}

/// A user to run as.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Cluster {
    /// Makes and starts a cluster, in a directory within `parent` or the system's for temporary files.
    pub fn start(parent: Option<PathBuf>) -> Result<Self> {
        let programs = programs()?;
        let owner = if is_root() { Some(owner()?) } else { None };
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        let directory =
            TempDir::with_prefix_in("posthaste-bench-pg-", parent).map_err(BenchError::io("making a directory"))?;
        if let Some(owner) = owner {
            std::os::unix::fs::chown(directory.path(), Some(owner.user), Some(owner.group))
                .map_err(BenchError::io("giving the cluster's directory to its owner"))?;
        }
        let data = directory.path().join("data");
        let mut initdb = command(&programs.join("initdb"), owner);
        initdb.arg("--pgdata").arg(&data);
        initdb.args(["--username", "posthaste", "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        let made = initdb.output().map_err(BenchError::io("running initdb"))?;
        if !made.status.success() {
            let detail = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(BenchError::Start { what: "initdb".to_owned(), detail });
        }
        let port = free_port()?;
        let mut postgres = command(&programs.join("postgres"), owner);
        postgres.arg("-D").arg(&data).arg("-k").arg(directory.path());
        postgres.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        for setting in SETTINGS {
            postgres.args(["-c", setting]);
        }
        let log = directory.path().join("log");
        let file = std::fs::File::create(&log).map_err(BenchError::io("making the cluster's log"))?;
        let process = postgres.stderr(file).spawn().map_err(BenchError::io("starting postgres"))?;
        let mut cluster = Self { programs, owner, port, process, directory };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let failed = |why| {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                let from = log.len().saturating_sub(LOG_SHOWN);
                let end = log.get(from..).unwrap_or(&log);
                BenchError::Start { what: "postgres".to_owned(), detail: format!("{why}; the end of its log:\n{end}") }
            };
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(failed(format!("it ended with {status}")));
            }
            let mut ask = command(&self.programs.join("pg_isready"), self.owner);
            ask.args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()]);
            if ask.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(failed(format!("it did not answer within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("postgres://posthaste@127.0.0.1:{}/postgres", self.port)
    }

    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its `psql`.
    pub fn psql(&self) -> PathBuf {
        self.programs.join("psql")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What it held is deleted next, so it need not put it in order.
        let mut stop = command(&self.programs.join("pg_ctl"), self.owner);
        stop.arg("stop").arg("--pgdata").arg(self.directory.path().join("data")).args([
            "--mode",
            "immediate",
            "--silent",
        ]);
        if !stop.status().is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16> {
    let free = || {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        Ok(listener.local_addr()?.port())
    };
    free().map_err(BenchError::io("looking for a free port"))
}

/// A command that runs as the cluster's owner and is silent.
fn command(program: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    // An interrupt from the keyboard is for the benchmark, which then stops the cluster.
    command.process_group(0);
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
    command
}

/// Where PostgreSQL's programs are.
fn programs() -> Result<PathBuf> {
    // All of them: some machines have links to a few in the path.
    let has_them = |directory: &PathBuf| PROGRAMS.iter().all(|program| directory.join(program).is_file());
    let in_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let configured = Command::new("pg_config").arg("--bindir").output().ok().into_iter();
    let configured = configured.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<_> = packaged.map(|version| version.path().join("bin")).collect();
    packaged.sort();
    in_path
        .chain(configured)
        .chain(packaged.into_iter().rev())
        .find(has_them)
        .ok_or_else(|| BenchError::NoPostgres { program: "initdb".into() })
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    user == Some("0")
}

fn owner() -> Result<Owner> {
    let users = std::fs::read_to_string("/etc/passwd").map_err(BenchError::io("reading /etc/passwd"))?;
    find_user(&users, OWNER).ok_or_else(|| BenchError::Start {
        what: "postgres".to_owned(),
        detail: format!("it refuses to run as root, and there is no user {OWNER}"),
    })
}

fn find_user(users: &str, name: &str) -> Option<Owner> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let user = fields.nth(1)?.parse().ok()?;
        Some(Owner { user, group: fields.next()?.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:\npostgres:x:101:103:,,,:/var/lib:/bin/sh\n";
        let owner = find_user(users, "postgres").unwrap();
        assert_eq!((owner.user, owner.group), (101, 103));
        assert!(find_user(users, "nobody").is_none());
    }
}
