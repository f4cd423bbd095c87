//! What a run heard, kept as JSON lines in a private file for each run: `.rebar/logs/<run>.jsonl`.
//!
//! Writing is somebody else's thread, so that a slow disk holds up nothing, and a disk that is full ends no run: it is said
//! once, and the rest is not kept.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::SystemTime;

use crate::clock::{Clock, SystemClock};
use crate::execute::{Event, EventSink};

/// The folder in a project's state folder.
pub const FOLDER: &str = "logs";

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes a run, at most; the last tenth is not for progress.
    pub run: u64,
    /// Runs; older ones are removed when a new one begins.
    pub runs: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            run: 16 << 20,
            runs: 50,
        }
    }
}

/// Characters of one text that are kept.
const LONGEST: usize = 4000;
/// Events that may come before it is known which run they are of.
const EARLY: usize = 10_000;

/// Who is told that nothing is kept any more.
pub type Trouble = Box<dyn Fn(&str) + Send>;

/// The file of a run.
pub fn file(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.jsonl"))
}

/// A sink that keeps what it hears in `folder` and hands it on to `next`. What it was told is written when its last clone
/// is dropped.
pub fn keep(folder: &Path, bounds: Bounds, next: EventSink, trouble: Trouble) -> EventSink {
    let (sender, receiver) = channel();
    let folder = folder.to_owned();
    let thread = std::thread::Builder::new()
        .name("rebar-logs".to_owned())
        .spawn(move || Keeper::new(folder, bounds, trouble).serve(&receiver));
    let Ok(thread) = thread else { return next };
    let line = Line {
        sender: Some(sender),
        thread: Some(thread),
    };
    Arc::new(move |event: Event| {
        line.say(&event);
        next(event);
    })
}

/// The way to the thread; dropping it waits until all is written.
struct Line {
    sender: Option<Sender<(i64, Event)>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn say(&self, event: &Event) {
        if let Some(sender) = &self.sender {
            // The thread goes on until nobody can send any more.
            drop(sender.send((SystemClock.milliseconds(), event.clone())));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

struct Keeper {
    folder: PathBuf,
    bounds: Bounds,
    trouble: Trouble,
    /// Lines of before it was known which run they are of.
    early: Vec<String>,
    open: Option<(BufWriter<File>, u64)>,
    /// Nothing is kept any more.
    ended: bool,
}

impl Keeper {
    fn new(folder: PathBuf, bounds: Bounds, trouble: Trouble) -> Keeper {
        Keeper {
            folder,
            bounds,
            trouble,
            early: Vec::new(),
            open: None,
            ended: false,
        }
    }

    fn serve(mut self, events: &Receiver<(i64, Event)>) {
        while let Ok(first) = events.recv() {
            let mut next = Some(first);
            while let Some((time, event)) = next {
                self.hear(time, &event);
                next = events.try_recv().ok();
            }
            let flushed = self.open.as_mut().map_or(Ok(()), |(writer, _)| writer.flush());
            self.check(flushed);
        }
    }

    fn hear(&mut self, time: i64, event: &Event) {
        if self.ended {
            return;
        }
        let line = text(time, event);
        if let Event::RunOpened { run, .. } = event {
            let opened = self.begin(run);
            self.check(opened);
        }
        if self.open.is_none() {
            if self.early.len() < EARLY {
                self.early.push(line);
            }
            return;
        }
        let progress = matches!(event, Event::StepProgress { .. } | Event::ObjectProgress { .. });
        let written = self.write(&line, progress);
        self.check(written);
    }

    /// Opens the run's file; one that is gone on with is added to.
    fn begin(&mut self, run: &str) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let path = file(&self.folder, run);
        prune(&self.folder, &path, self.bounds.runs);
        let open = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)?;
        let length = open.metadata()?.len();
        self.open = Some((BufWriter::new(open), length));
        for line in std::mem::take(&mut self.early) {
            self.write(&line, false)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &str, progress: bool) -> io::Result<()> {
        let Some((writer, length)) = &mut self.open else {
            return Ok(());
        };
        let limit = if progress {
            self.bounds.run / 10 * 9
        } else {
            self.bounds.run
        };
        if *length + line.len() as u64 > limit {
            if !progress && !self.ended {
                self.ended = true;
                writer.write_all(b"{\"event\":\"cut\"}\n")?;
            }
            return Ok(());
        }
        *length += line.len() as u64;
        writer.write_all(line.as_bytes())
    }

    /// After a failure nothing more is kept; that is said once.
    fn check(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.ended = true;
            self.early.clear();
            // What its buffer holds cannot be written either.
            if let Some((writer, _)) = self.open.take() {
                drop(writer.into_parts());
            }
            (self.trouble)(&format!(
                "what the nodes say is not kept from here on: cannot write to `{}`: {error}",
                self.folder.display()
            ));
        }
    }
}

/// An event with its time, as one line.
fn text(time: i64, event: &Event) -> String {
    let mut value = serde_json::json!(event);
    if let Some(fields) = value.as_object_mut() {
        for field in fields.values_mut() {
            if let serde_json::Value::String(long) = field
                && let Some((end, _)) = long.char_indices().nth(LONGEST)
            {
                long.truncate(end);
                long.push('…');
            }
        }
        fields.insert("time".to_owned(), time.into());
    }
    format!("{value}\n")
}

/// Removes the oldest files, so that with `own` no more than `runs` are there.
fn prune(folder: &Path, own: &Path, runs: usize) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(SystemTime, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| path != own && path.extension().is_some_and(|end| end == "jsonl"))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    files.sort();
    let surplus = (files.len() + 1).saturating_sub(runs.max(1));
    for (_, path) in files.into_iter().take(surplus) {
        // One that stays is removed next time.
        drop(fs::remove_file(path));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn opened(run: &str) -> Event {
        Event::RunOpened {
            run: run.to_owned(),
            deploy: "shop".to_owned(),
            resumed: false,
            objects: 1,
            steps: 1,
        }
    }

    fn said(text: &str) -> Event {
        Event::StepProgress {
            node: "web-1".to_owned(),
            step: "pages.index".to_owned(),
            text: text.to_owned(),
        }
    }

    fn sink(folder: &Path, bounds: Bounds) -> (EventSink, Arc<Mutex<Vec<String>>>) {
        let troubles = Arc::new(Mutex::new(Vec::new()));
        let told = troubles.clone();
        let trouble: Trouble = Box::new(move |text| told.lock().unwrap().push(text.to_owned()));
        (keep(folder, bounds, Arc::new(|_| {}), trouble), troubles)
    }

    #[test]
    fn lines_are_kept_by_run_and_what_came_before_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let (sink, troubles) = sink(&logs, Bounds::default());
        sink(Event::LeaseTakenOver {
            deploy: "shop".to_owned(),
        });
        sink(opened("r1"));
        sink(said(&"x".repeat(10_000)));
        drop(sink);
        let text = fs::read_to_string(file(&logs, "r1")).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["lease_taken_over", "run_opened", "step_progress"]);
        assert!(text.len() < 5000, "one text is bounded");
        assert!(troubles.lock().unwrap().is_empty());
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(file(&logs, "r1")).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_run_is_bounded_and_old_runs_go() {
        let folder = tempfile::tempdir().unwrap();
        let bounds = Bounds { run: 4000, runs: 2 };
        for run in ["r1", "r2", "r3"] {
            let (sink, _) = sink(folder.path(), bounds);
            sink(opened(run));
            for number in 0..1000 {
                sink(said(&format!("line {number}")));
            }
            sink(Event::Interrupting);
            drop(sink);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2);
        assert!(!file(folder.path(), "r1").exists());
        let text = fs::read_to_string(file(folder.path(), "r3")).unwrap();
        assert!(
            text.len() <= 4000 && text.contains("interrupting"),
            "{}",
            text.len()
        );
    }

    #[test]
    fn what_cannot_be_written_is_said_once_and_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let (sink, troubles) = sink(&blocked.join("logs"), Bounds::default());
        sink(opened("r1"));
        sink(said("a"));
        sink(opened("r2"));
        drop(sink);
        assert_eq!(troubles.lock().unwrap().len(), 1, "{troubles:?}");
    }
}
