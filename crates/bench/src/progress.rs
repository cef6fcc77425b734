//! What a waiting person sees: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::ProgressBar;

/// A step under way; its bar goes when this is dropped.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A step that takes about so long.
    pub fn begin(name: &str, takes: Duration) -> Self {
        let message = format!("{name}, {:.0} s", takes.as_secs_f64());
        if !std::io::stderr().is_terminal() {
            eprintln!("{message}");
            return Self(None);
        }
        let bar = ProgressBar::new_spinner().with_message(message);
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(Some(bar))
    }

    /// The load is over; what is on its way still comes.
    pub fn waiting(&self) {
        if let Some(bar) = &self.0 {
            bar.set_message("waiting for what is still on its way");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}
