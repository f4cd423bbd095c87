//! What is shown while a run goes on: bars on a terminal, plain lines elsewhere, JSON lines for programs.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rebar_compiler::plan::GateMode;
use rebar_runtime::execute::{Event, EventSink};

use crate::render::palette::{Palette, plain};

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// For people.
    Human,
    /// One JSON object a line, on standard output.
    Json,
}

/// A place for events. Bars stand on standard error.
pub(crate) fn sink(manner: Manner, paint: Palette) -> EventSink {
    match manner {
        Manner::Json => Arc::new(|event: Event| {
            // A reader that has gone away does not stop the run.
            if let Ok(line) = serde_json::to_string(&event) {
                let _ = super::commands::print(&format!("{line}\n"));
            }
        }),
        Manner::Human if std::io::stderr().is_terminal() => {
            let bars = Mutex::new(Bars::new(paint));
            Arc::new(move |event: Event| lock(&bars).show(&event))
        }
        Manner::Human => Arc::new(move |event: Event| {
            if let Some(line) = line(&event, paint) {
                super::commands::tell(&format!("{line}\n"));
            }
        }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while drawing must not stop the run.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One spinner for each thing in flight, and a bar over all.
struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    flying: BTreeMap<String, ProgressBar>,
    paint: Palette,
}

impl Bars {
    fn new(paint: Palette) -> Bars {
        let all = MultiProgress::new();
        let whole = all.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}");
        whole.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bars {
            all,
            whole,
            flying: BTreeMap::new(),
            paint,
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::RunOpened { objects, steps, .. } => {
                self.whole.set_length((objects + steps) as u64);
                self.whole.enable_steady_tick(Duration::from_millis(200));
            }
            Event::ObjectStarted { subject, action } => {
                self.begin(subject.clone(), &format!("{action} {subject}"))
            }
            Event::StepStarted { node, step } => self.begin(node.clone(), &format!("{node} {step}")),
            Event::ObjectProgress { subject, text } => self.tell(subject, &format!("{subject}: {text}")),
            Event::StepProgress { node, step, text } => self.tell(node, &format!("{node} {step}: {text}")),
            // How often names are published is not known before, so it is not counted.
            Event::ObjectDone { subject, .. } if subject == "names" => self.remove(subject),
            Event::ObjectDone { subject, .. } | Event::ObjectFailed { subject, .. } => self.end(subject),
            Event::StepDone { node, .. } | Event::StepFailed { node, .. } => self.end(node),
            Event::Closed { .. } => self.clear(),
            // A question must be readable, and the answer that is typed too.
            Event::Asking { .. } => {
                let _ = self.all.clear();
                self.all.set_draw_target(ProgressDrawTarget::hidden());
            }
            Event::Answered { .. } => self.all.set_draw_target(ProgressDrawTarget::stderr()),
            Event::LeaseTakenOver { .. }
            | Event::BackendSilent { .. }
            | Event::BackendAnswers { .. }
            | Event::Recovered { .. }
            | Event::SegmentStarted { .. }
            | Event::Retrying { .. }
            | Event::GateOpened { .. }
            | Event::Settling { .. }
            | Event::LeaveSkipped { .. }
            | Event::Blocked { .. }
            | Event::Interrupting => {}
        }
        if let Some(line) = line(event, self.paint) {
            let _ = self.all.println(line);
        }
    }

    /// Takes everything off the screen that is not a line that stays.
    fn clear(&mut self) {
        for bar in std::mem::take(&mut self.flying).into_values() {
            bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
        let _ = self.all.clear();
    }

    fn begin(&mut self, key: String, text: &str) {
        let bar = self.all.insert_before(&self.whole, ProgressBar::new_spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar.set_message(plain(text).into_owned());
        if let Some(old) = self.flying.insert(key, bar) {
            old.finish_and_clear();
        }
    }

    fn tell(&self, key: &str, text: &str) {
        if let Some(bar) = self.flying.get(key) {
            bar.set_message(plain(text).into_owned());
        }
    }

    fn end(&mut self, key: &str) {
        self.remove(key);
        self.whole.inc(1);
    }

    fn remove(&mut self, key: &str) {
        if let Some(bar) = self.flying.remove(key) {
            bar.finish_and_clear();
        }
    }
}

/// However a run ends, also one that is left at once.
impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What is worth a line that stays.
pub(crate) fn line(event: &Event, paint: Palette) -> Option<String> {
    let text = match event {
        Event::LeaseTakenOver { deploy } => paint.change(&format!(
            "an earlier process that changed `{deploy}` is gone; going on from its journal"
        )),
        Event::RunOpened { resumed: true, .. } => paint.change("going on with the run that was broken off"),
        // What was not begun needs no recovery.
        Event::Recovered { found, .. } if found == "it was not begun" => return None,
        Event::Recovered { subject, found } => {
            paint.change(&format!("recovered {}: {}", plain(subject), plain(found)))
        }
        // They are written anew with every few machines; nobody needs to read that.
        Event::ObjectDone { subject, .. } if subject == "names" => return None,
        Event::ObjectDone { subject, note } => {
            format!("{} {}: {}", paint.create("done"), plain(subject), plain(note))
        }
        Event::StepDone {
            node,
            step,
            changed: true,
            note,
        } => {
            format!("{} {node} {step}: {}", paint.create("done"), plain(note))
        }
        Event::StepDone {
            node,
            step,
            changed: false,
            note,
        } => paint.faint(&format!("  ok {node} {step}: {}", plain(note))),
        Event::ObjectFailed { subject, message } => {
            format!(
                "{} {}: {}",
                paint.remove("failed"),
                plain(subject),
                plain(message)
            )
        }
        Event::StepFailed { node, step, message } => {
            format!("{} {node} {step}: {}", paint.remove("failed"), plain(message))
        }
        Event::Retrying {
            subject,
            attempt,
            pause,
            message,
        } => paint.change(&format!(
            "again {}: attempt {attempt} in {:.1} s: {}",
            plain(subject),
            *pause as f64 / 1000.0,
            plain(message)
        )),
        Event::GateOpened { of, after, mode } => {
            let nodes = match mode {
                GateMode::All => "all its nodes",
                GateMode::Quorum => "a quorum of its nodes",
                GateMode::Any => "one of its nodes",
            };
            paint.faint(&format!("`{of}` may go on: `{after}` is done on {nodes}"))
        }
        Event::LeaveSkipped { node, because } => {
            paint.remove(&format!("{node} goes without being drained: {because}"))
        }
        Event::Settling { run, pause } => {
            paint.faint(&format!("`{run}` rests for {:.0} s", *pause as f64 / 1000.0))
        }
        Event::BackendSilent {
            backend,
            message,
            pause,
        } => paint.change(&format!(
            "the backend `{backend}` does not answer; nothing calls it for {:.0} s: {message}",
            *pause as f64 / 1000.0
        )),
        Event::BackendAnswers { backend } => paint.change(&format!("the backend `{backend}` answers again")),
        Event::Interrupting => paint.change(
            "interrupted: each node ends the run it is at, nothing else begins; once more leaves at once",
        ),
        Event::RunOpened { resumed: false, .. }
        | Event::ObjectStarted { .. }
        | Event::ObjectProgress { .. }
        | Event::SegmentStarted { .. }
        | Event::StepStarted { .. }
        | Event::StepProgress { .. }
        | Event::Blocked { .. }
        | Event::Asking { .. }
        | Event::Answered { .. }
        | Event::Closed { .. } => return None,
    };
    Some(text)
}
