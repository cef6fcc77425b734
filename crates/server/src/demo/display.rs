//! How far everything is: bars on a terminal, a line a second elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::failure::Result;
use crate::output;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// One thing that is counted towards an end.
pub struct Gauge {
    /// What.
    pub name: &'static str,
    /// How it stands.
    pub done: u64,
    /// Its end.
    pub of: u64,
    /// A word on its state.
    pub note: String,
}

/// Shows gauges.
pub struct Display {
    bars: Option<Vec<ProgressBar>>,
    last_line: Option<Instant>,
}

impl Display {
    /// A display of so many gauges.
    pub fn new(gauges: usize) -> Self {
        if !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
            return Self { bars: None, last_line: None };
        }
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("  {prefix:<10} {bar:40} {pos:>7}/{len:<7} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bars = (0..gauges).map(|_| all.add(ProgressBar::new(0).with_style(style.clone()))).collect();
        Self { bars: Some(bars), last_line: None }
    }

    /// Shows how everything stands now.
    pub fn show(&mut self, gauges: &[Gauge]) -> Result<()> {
        if let Some(bars) = &self.bars {
            for (bar, gauge) in bars.iter().zip(gauges) {
                bar.set_prefix(gauge.name);
                bar.set_length(gauge.of);
                bar.set_position(gauge.done);
                bar.set_message(gauge.note.clone());
            }
            return Ok(());
        }
        if self.last_line.is_some_and(|at| at.elapsed() < LINE_EVERY) {
            return Ok(());
        }
        self.last_line = Some(Instant::now());
        let parts = gauges.iter().map(|gauge| {
            let note = if gauge.note.is_empty() { String::new() } else { format!(" ({})", gauge.note) };
            format!("{} {}/{}{note}", gauge.name, gauge.done, gauge.of)
        });
        output::line(&format!("  {}", parts.collect::<Vec<_>>().join(", ")))
    }

    /// Shows the last state and leaves it standing.
    pub fn finish(mut self, gauges: &[Gauge]) -> Result<()> {
        self.last_line = None;
        self.show(gauges)?;
        for bar in self.bars.into_iter().flatten() {
            bar.abandon();
        }
        Ok(())
    }
}
