//! Progress of what takes long: on standard error, and only where somebody looks.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Tool;

/// A bar, or nothing.
pub(crate) struct Bar(ProgressBar);

impl Tool {
    /// A bar up to `length`; without one, a number that grows.
    pub(crate) fn bar(&self, what: &str, length: Option<u64>) -> Bar {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(length, target);
        let template = match length {
            Some(_) => "{msg} [{bar:40}] {pos}/{len}",
            None => "{spinner} {msg} {human_pos}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Bar(bar)
    }
}

impl Bar {
    pub(crate) fn more(&self, by: u64) {
        self.0.inc(by);
    }

    pub(crate) fn at(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
