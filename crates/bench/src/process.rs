//! What processes cost, read from `/proc`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::error::{BenchError, Result};

/// The kernel shows times to programs in hundredths of a second, whatever its own tick is.
const TICK: Duration = Duration::from_millis(10);

/// Times of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of its children that ended and were waited for.
    children_ticks: u64,
}

/// Reads a line of `/proc/PID/stat`. The second field, the name, may contain anything, so it is skipped from behind.
fn read_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.get(line.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: number(11)? + number(12)?,
        children_ticks: number(13)? + number(14)?,
    })
}

/// The processor time that a process has used so far.
pub fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let line = std::fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))?;
    let stat =
        read_stat(&line).ok_or_else(|| BenchError::Answer { path, detail: "it has no processor times".to_owned() })?;
    Ok(ticks(stat.own_ticks))
}

/// The processor time of a process and all below it, those included that have ended: a database and its backends.
pub fn cpu_of_family(root: u32) -> Result<Duration> {
    let entries = std::fs::read_dir("/proc").map_err(BenchError::io("reading /proc"))?;
    let mut processes = HashMap::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process that ended between the two reads has been counted by its parent.
        let Ok(line) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(stat) = read_stat(&line) {
            processes.insert(pid, stat);
        }
    }
    if !processes.contains_key(&root) {
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(BenchError::Io { doing: format!("reading the processor time of process {root}"), source: gone });
    }
    let family = family(&processes, root);
    Ok(ticks(family.iter().filter_map(|pid| processes.get(pid)).map(|stat| stat.own_ticks + stat.children_ticks).sum()))
}

/// A process and everything below it.
fn family(processes: &HashMap<u32, Stat>, root: u32) -> HashSet<u32> {
    let mut family = HashSet::from([root]);
    loop {
        let before = family.len();
        family.extend(
            processes.iter().filter(|(_, stat)| family.contains(&stat.parent)).map(|(&pid, _)| pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            return family;
        }
    }
}

fn ticks(ticks: u64) -> Duration {
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// What a process holds in memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At its highest.
    pub peak: u64,
}

/// Reads the memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))?;
    Ok(read_memory(&text))
}

fn read_memory(status: &str) -> Memory {
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1_024)
    };
    Memory { resident: of("VmRSS:").unwrap_or(0), peak: of("VmHWM:").unwrap_or(0) }
}

/// What this machine is, for whoever reads the report.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores, {}, load {load} at the start", model.unwrap_or_else(|| "unknown processor".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_that_looks_like_fields() {
        let line = "7 (a) b (c 1 2 3) S 5 7 7 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 9 0 12345 1 2";
        assert_eq!(read_stat(line), Some(Stat { parent: 5, own_ticks: 200, children_ticks: 50 }));
        assert_eq!(read_stat("7 (a"), None);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident, "{memory:?}");
        assert!(cpu_of_family(pid).unwrap() >= cpu(pid).unwrap());
        cpu(u32::MAX).unwrap_err();
        cpu_of_family(u32::MAX).unwrap_err();
    }

    #[test]
    fn a_family_is_the_process_with_all_below_it() {
        let stat = |parent| Stat { parent, own_ticks: 0, children_ticks: 0 };
        let processes = HashMap::from([(1, stat(0)), (5, stat(1)), (6, stat(5)), (7, stat(6)), (8, stat(1))]);
        assert_eq!(family(&processes, 5), HashSet::from([5, 6, 7]));
    }
}
