//! What a command says when it did not work: one sentence that says what to do.

use std::fmt;

/// The one error of the binary. It is shown as it stands, on standard error, and ends the process with a code that is
/// not 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    sentence: String,
}

/// The result of every command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// The code of a command that did not work. Wrong usage is clap's 2.
    pub const EXIT_CODE: u8 = 1;

    /// A failure of this sentence, without a full stop.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}
