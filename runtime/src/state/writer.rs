//! The one thread that talks to SQLite. Callers hand it work and wait until that is durable; what has piled up
//! while the disk was busy is committed together (group commit). A state in memory needs no thread: there the caller
//! does the work, so that a rehearsal with the same seed takes the same course.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Fault, StateError};
use super::held::Held;

/// So many pieces of work share one transaction at most.
const GROUP: usize = 256;

/// Tells the caller; the argument is the failure of the commit, if it failed.
type Deliver = Box<dyn FnOnce(Option<&StateError>) + Send>;
/// Works on the database; `false` if its part is to be rolled back.
type Work = Box<dyn FnOnce(Result<&Connection, StateError>) -> (bool, Deliver) + Send>;

struct Job {
    writes: bool,
    work: Work,
}

/// The thread and the way to it. Dropping it waits until all work is done.
pub(super) struct Writer {
    path: PathBuf,
    hand: Hand,
    /// Dropped after the connection, which the thread closes at its end.
    _held: Option<Held>,
}

/// Who does the work.
enum Hand {
    Thread {
        queue: Option<Sender<Job>>,
        thread: Option<JoinHandle<()>>,
    },
    Caller(Mutex<Connection>),
}

impl Writer {
    /// Starts the thread on an open connection.
    pub(super) fn start(path: &Path, connection: Connection, held: Held) -> std::io::Result<Writer> {
        let (queue, jobs) = channel();
        let at = path.to_path_buf();
        let thread = std::thread::Builder::new()
            .name("rebar-state".to_owned())
            .spawn(move || serve(&at, &connection, &jobs))?;
        Ok(Writer {
            path: path.to_path_buf(),
            hand: Hand::Thread {
                queue: Some(queue),
                thread: Some(thread),
            },
            _held: Some(held),
        })
    }

    /// Has the callers do the work themselves.
    pub(super) fn inline(path: &Path, connection: Connection) -> Writer {
        Writer {
            path: path.to_path_buf(),
            hand: Hand::Caller(Mutex::new(connection)),
            _held: None,
        }
    }

    /// Queues work; the receiver answers when the work is durable.
    pub(super) fn submit<T, F>(&self, writes: bool, work: F) -> oneshot::Receiver<Result<T, StateError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let what = if writes { "write" } else { "read" };
        let path = self.path.clone();
        let work: Work = Box::new(move |connection| {
            let result = connection.and_then(|c| work(c).map_err(|fault| fault.at(&path, what)));
            let keep = result.is_ok();
            let deliver: Deliver = Box::new(move |commit_failure| {
                let result = match commit_failure {
                    Some(error) if result.is_ok() => Err(error.clone()),
                    Some(_) | None => result,
                };
                // A caller who has left does not need the answer.
                drop(answer.send(result));
            });
            (keep, deliver)
        });
        let job = Job { writes, work };
        match &self.hand {
            Hand::Thread {
                queue: Some(queue), ..
            } => {
                // The thread ends only after the queue is closed; a closed channel tells the receiver.
                drop(queue.send(job));
            }
            Hand::Thread { queue: None, .. } => {}
            Hand::Caller(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                carry_out(&self.path, &connection, vec![job], writes);
            }
        }
        receiver
    }

    /// The error for a thread that is gone.
    pub(super) fn gone(&self) -> StateError {
        StateError::Failed {
            what: "reach",
            path: self.path.clone(),
            cause: "the thread that writes the state has ended".to_owned(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Hand::Thread { queue, thread } = &mut self.hand else {
            return;
        };
        *queue = None;
        if let Some(thread) = thread.take() {
            // A panic there has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

fn serve(path: &Path, connection: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let writes = first.writes;
        let mut group = vec![first];
        if writes {
            while group.len() < GROUP {
                match jobs.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
        }
        carry_out(path, connection, group, writes);
    }
}

/// SQLite gave up the whole transaction, which it does when a write fails for want of space or by an I/O error.
fn lost(path: &Path, what: &'static str) -> StateError {
    let cause = rusqlite::ffi::Error {
        code: rusqlite::ErrorCode::SystemIoFailure,
        extended_code: 0,
    };
    let words = Some("the transaction was rolled back".to_owned());
    Fault::Sql(rusqlite::Error::SqliteFailure(cause, words)).at(path, what)
}

/// One of the few statements that go with every piece of work.
fn say(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

fn carry_out(path: &Path, connection: &Connection, group: Vec<Job>, writes: bool) {
    let what = if writes { "write" } else { "read" };
    let begin = if writes {
        "BEGIN IMMEDIATE"
    } else {
        "BEGIN DEFERRED"
    };
    if let Err(error) = connection.execute_batch(begin) {
        let error = Fault::Sql(error).at(path, what);
        for job in group {
            let (_, deliver) = (job.work)(Err(error.clone()));
            deliver(None);
        }
        return;
    }
    let mut answers = Vec::with_capacity(group.len());
    let mut failure: Option<StateError> = None;
    for job in group {
        if let Some(error) = &failure {
            answers.push((job.work)(Err(error.clone())).1);
            continue;
        }
        let opened = say(connection, "SAVEPOINT job").map_err(|e| Fault::Sql(e).at(path, what));
        let (keep, deliver) = (job.work)(opened.map(|()| connection));
        answers.push(deliver);
        let close = || {
            if !keep {
                say(connection, "ROLLBACK TO job")?;
            }
            say(connection, "RELEASE job")
        };
        if connection.is_autocommit() || close().is_err() {
            // A full disk rolls the whole transaction back by itself.
            failure = Some(lost(path, what));
        }
    }
    if failure.is_none()
        && let Err(error) = connection.execute_batch("COMMIT")
    {
        failure = Some(Fault::Sql(error).at(path, what));
    }
    if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
        tracing::warn!("the state `{}` could not roll back", path.display());
    }
    for deliver in answers {
        deliver(failure.as_ref());
    }
}
