//! Every connection is an open file, and systems begin with room for few.

/// As many as anything here can use; asking for more would only frighten.
const ENOUGH: u64 = 65_536;

/// Raises the process's limit of open files as far as the system lets it; returns what it then is.
pub fn raise() -> usize {
    let limit = rlimit::increase_nofile_limit(ENOUGH).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files is not known; assuming 1024");
        1024
    });
    if limit < 4096 {
        tracing::warn!(limit, "few files may be open, so few exchanges run at once: raise the limit with ulimit -n");
    }
    usize::try_from(limit).unwrap_or(usize::MAX)
}
