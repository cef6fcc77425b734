//! The program as a child process.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use posthaste_testkit::PATIENCE;
use serde_json::Value;

/// Tests wait for a line, never for a time; this one bounds a test that has failed already.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A command in this directory, with nothing of the surrounding configuration.
pub fn posthaste(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    command.current_dir(directory).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTHASTE_") {
            command.env_remove(name);
        }
    }
    command
}

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Its standard output, if it worked.
    #[track_caller]
    pub fn worked(self) -> String {
        assert_eq!(self.code, 0, "{} {}", self.out, self.err);
        self.out
    }

    /// Its one sentence, if it did not work.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.code, 1, "{} {}", self.out, self.err);
        let sentences: Vec<&str> = self.err.lines().filter(|line| line.starts_with("posthaste: ")).collect();
        assert_eq!(sentences.len(), 1, "{}", self.err);
        assert!(sentences[0].ends_with('.'), "{}", self.err);
        sentences[0].to_owned()
    }
}

/// A command that keeps running; killed when dropped.
pub struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// The next line of standard output that says this.
    #[track_caller]
    pub fn says(&self, what: &str) -> String {
        next(&self.out, what)
    }

    /// The next line of standard error that says this.
    #[track_caller]
    pub fn logs(&self, what: &str) -> String {
        next(&self.err, what)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the code.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[track_caller]
fn next(lines: &Receiver<String>, what: &str) -> String {
    let mut before = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(what) => return line,
            Ok(line) => before.push(line),
            Err(error) => panic!("no line said `{what}` ({error}); there were:\n{}", before.join("\n")),
        }
    }
}

/// A server on a free port and a SQLite file in a directory.
pub struct Server {
    pub running: Running,
    pub address: String,
    pub url: String,
}

impl Server {
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::of(posthaste(
            directory,
            &[&["serve", "--listen", "127.0.0.1:0", "--allow-net", "127.0.0.0/8"], arguments].concat(),
        ))
    }

    /// Of a command that serves.
    pub fn of(command: Command) -> Self {
        let running = Running::start(command);
        let line = running.logs("listening on http://");
        let line: Value = serde_json::from_str(&line).unwrap();
        let address = line["address"].as_str().unwrap().to_owned();
        Self { running, url: format!("http://{address}"), address }
    }

    /// A client command against it.
    pub fn call(&self, directory: &Path, arguments: &[&str]) -> Ran {
        run(posthaste(directory, arguments).env("POSTHASTE_SERVER", &self.url))
    }

    /// A client command's JSON.
    #[track_caller]
    pub fn json(&self, directory: &Path, arguments: &[&str]) -> Value {
        let out = self.call(directory, &[arguments, &["--output", "json"]].concat()).worked();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Calls again and again until the answer is as the test wants it.
    #[track_caller]
    pub fn until(&self, directory: &Path, arguments: &[&str], test: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.json(directory, arguments);
            if test(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{arguments:?} still answers {answer}");
        }
    }

    /// Stops it as a service manager does.
    pub fn stop(self) -> Option<i32> {
        self.running.signal("TERM");
        self.running.ended()
    }
}

/// A receiver on a free port; returns it with its URL.
pub fn listen(directory: &Path, arguments: &[&str]) -> (Running, String) {
    let running = Running::start(posthaste(directory, &[&["listen", "0", "--output", "json"], arguments].concat()));
    let line: Value = serde_json::from_str(&running.says("listening")).unwrap();
    (running, line["listening"].as_str().unwrap().to_owned())
}

/// Sends bytes as they are and reads all that comes back.
pub fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
