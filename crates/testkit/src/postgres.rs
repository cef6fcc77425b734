//! Throwaway PostgreSQL clusters.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Makes, starts, stops and removes the cluster; it ends when its standard input does, so when this process does,
/// however that dies.
const SCRIPT: &str = include_str!("cluster.sh");

/// A server that somebody else started for this test process too: the URL of a database of its.
pub const LENT_CLUSTER: &str = "POSTHASTE_TEST_CLUSTER";

/// Whether the server waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// It does; for tests that measure.
    On,
    /// It does not. A killed server keeps what it wrote all the same, as long as the machine runs.
    Off,
}

/// A PostgreSQL server for tests, on a free port of 127.0.0.1, whose superuser `postgres` needs no password.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    programs: PathBuf,
    /// None if the server is lent.
    server: Option<Mutex<Server>>,
}

#[derive(Debug)]
struct Server {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Cluster {
    /// The cluster of this test process, or the one that [`LENT_CLUSTER`] names. Never stop it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        let begin = || match std::env::var(LENT_CLUSTER) {
            Ok(url) => Cluster { url, programs: programs(), server: None },
            Err(_) => Cluster::begin(Fsync::Off),
        };
        aside(move || SHARED.get_or_init(begin)).await
    }

    /// A cluster of the caller's own, to stop and start.
    pub async fn dedicated(fsync: Fsync) -> Self {
        aside(move || Self::begin(fsync)).await
    }

    /// The URL of the database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes an empty database and returns its URL. It goes with the cluster, or earlier once this process has ended.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.tidy(&name).await;
        self.sql(&self.url, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let (server, _) = self.url.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{name}")
    }

    /// Drops databases of processes that have ended, a few at a time: a lent cluster serves hundreds of them, and each
    /// database is 8 MB. The number of one of those may also be this process's now.
    async fn tidy(&self, name: &str) {
        let databases = self.sql(&self.url, r"SELECT datname FROM pg_database WHERE datname LIKE 'test\_%'").await;
        let ended = |database: &&str| {
            let process = database.split('_').nth(1).unwrap_or_default();
            *database == name || !Path::new("/proc").join(process).exists()
        };
        for database in databases.lines().filter(ended).take(3) {
            // Another process may be dropping the same one.
            let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
            let _ = self.psql(&self.url, &drop).await;
        }
    }

    /// Runs SQL in the database of this URL and returns the rows, one a line, columns parted by `|`.
    pub async fn sql(&self, url: &str, sql: &str) -> String {
        let output = self.psql(url, sql).await;
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the database is UTF-8").trim_end().to_owned()
    }

    async fn psql(&self, url: &str, sql: &str) -> Output {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).stdin(Stdio::null());
        aside(move || psql.output()).await.expect("psql runs")
    }

    /// Stops the server as a crash does: no connection is told, nothing is flushed.
    pub async fn stop(&self) {
        assert_eq!(self.command("stop").await, "stopped");
    }

    /// Starts a stopped server, at the same address; returns when it takes connections.
    pub async fn start(&self) {
        let answer = self.command("start").await;
        assert!(answer.starts_with("ready"), "{answer}");
    }

    fn begin(fsync: Fsync) -> Self {
        let fsync = if fsync == Fsync::On { "on" } else { "off" };
        let mut process = Command::new("setsid")
            .args(["bash", "-c", SCRIPT, "cluster.sh", fsync])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("setsid and bash run");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("the output is a pipe"));
        let mut server = Server { process, input, output };
        let answer = server.answer();
        let mut words = answer.split(' ');
        let (Some("ready"), Some(url), Some(programs)) = (words.next(), words.next(), words.next()) else {
            panic!("no PostgreSQL: {answer}");
        };
        Self { url: url.to_owned(), programs: programs.into(), server: Some(Mutex::new(server)) }
    }

    async fn command(&self, word: &'static str) -> String {
        let server = self.server.as_ref().expect("only a cluster of one's own is stopped and started");
        // The script answers within a minute, and a test of a dedicated cluster has nothing else to do.
        tokio::task::yield_now().await;
        server.lock().unwrap_or_else(PoisonError::into_inner).command(word)
    }
}

impl Server {
    fn command(&mut self, word: &str) -> String {
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{word}").expect("the cluster's script takes commands");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the cluster's script answers");
        line.trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is what ends the server.
        self.input = None;
        // It was asked to go and does; whether it can be waited for makes no difference to the test.
        let _ = self.process.wait();
    }
}

/// Where psql is when the cluster is lent: Debian's own path first, because its PATH has a slow wrapper.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    found.retain(|programs| programs.join("psql").exists());
    found.sort();
    let in_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder| folder.join("psql").exists())
    };
    found.pop().or_else(in_path).unwrap_or_else(|| Path::new("/usr/bin").to_owned())
}

/// Runs what blocks beside the runtime.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic, or the test shall")
}
