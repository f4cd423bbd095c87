//! The lease: one process at a time changes a deploy. Each holder has an epoch of its own, and every line of the
//! journal is written only while that epoch is the current one.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::State;
use super::error::{Fault, StateError};

/// So long a lease of a process that cannot be looked at (on another host) counts without renewal.
const TERM: Duration = Duration::from_secs(60);

/// Who holds a lease: enough to find out whether that process is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// Start time in clock ticks since boot, so that a reused pid is not mistaken for the holder.
    started: u64,
    pub(super) host: String,
    boot: String,
    /// The namespace that the pid counts in.
    namespace: u64,
}

/// What a writer shows with each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The deploy's name.
    pub deploy: String,
    /// The deploy's id.
    pub deploy_id: String,
    /// The holder's epoch.
    pub epoch: u64,
}

/// A held lease. It is given back when dropped.
#[derive(Debug)]
pub struct Lease {
    state: State,
    token: Token,
    /// Whether another process held it before and is gone.
    taken_over: bool,
}

impl Lease {
    /// What to show with each line.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the process that held it before died without giving it back.
    pub fn taken_over(&self) -> bool {
        self.taken_over
    }

    /// Holds it for another minute.
    ///
    /// # Errors
    /// [`StateError::LeaseLost`] when another process has taken it over.
    pub async fn renew(&self) -> Result<(), StateError> {
        let token = self.token.clone();
        let clock = Arc::clone(&self.state.clock);
        self.state
            .write(move |connection| {
                verify(connection, &token)?;
                let until = clock.milliseconds() + TERM.as_millis() as i64;
                connection.execute(
                    "UPDATE deploy SET holder_until = ?2 WHERE name = ?1",
                    params![token.deploy, until],
                )?;
                Ok(())
            })
            .await
    }

    /// Gives it back, and waits until that is recorded.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn release(self) -> Result<(), StateError> {
        let token = self.token.clone();
        let state = self.state.clone();
        state.write(move |connection| give_back(connection, &token)).await
        // The drop that follows finds nothing to give back.
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let token = self.token.clone();
        // Nobody waits for the answer: if it cannot be written, the lease of a dead process is taken over.
        drop(
            self.state
                .submit(true, move |connection| give_back(connection, &token)),
        );
    }
}

impl State {
    /// Takes the lease on `deploy`. The first time this gives the deploy its id.
    ///
    /// # Errors
    /// [`StateError::Leased`] when a process that is still there holds it; those of writing.
    pub async fn lease(&self, deploy: &str, site: &str, backend: &str) -> Result<Lease, StateError> {
        let (deploy, site, backend) = (deploy.to_owned(), site.to_owned(), backend.to_owned());
        let (clock, id, ours) = (Arc::clone(&self.clock), self.ids.next(), self.holder());
        let (token, taken_over) = self
            .write(move |connection| {
                connection.execute("INSERT OR IGNORE INTO site (name, version) VALUES (?1, 0)", params![site])?;
                connection.execute(
                    "INSERT OR IGNORE INTO deploy (name, id, site, backend, serial, epoch) VALUES (?1, ?2, ?3, ?4, 0, 0)",
                    params![deploy, id, site, backend],
                )?;
                take(connection, &deploy, &ours, clock.milliseconds())
            })
            .await?;
        Ok(Lease {
            state: self.clone(),
            token,
            taken_over,
        })
    }
}

impl State {
    /// Who holds what this process takes.
    pub(super) fn holder(&self) -> Holder {
        let own = Holder::own();
        match &self.host {
            None => own,
            Some(host) => Holder {
                host: host.clone(),
                boot: host.clone(),
                ..own
            },
        }
    }
}

type HolderRow = (String, u64, Option<String>, Option<i64>, Option<i64>);

pub(super) fn take(
    connection: &Connection,
    deploy: &str,
    ours: &Holder,
    now: i64,
) -> Result<(Token, bool), Fault> {
    let (id, epoch, holder, since, until): HolderRow = connection.query_row(
        "SELECT id, epoch, holder, holder_since, holder_until FROM deploy WHERE name = ?1",
        params![deploy],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    if let Some(text) = &holder {
        let theirs: Holder = serde_json::from_str(text)?;
        if theirs.holds(ours, until.unwrap_or(0) > now) {
            let since = super::utc(since.unwrap_or(now));
            return Err(StateError::Leased {
                deploy: deploy.to_owned(),
                pid: theirs.pid,
                host: theirs.host,
                since,
            }
            .into());
        }
    }
    let epoch = epoch + 1;
    let until = now + TERM.as_millis() as i64;
    connection.execute(
        "UPDATE deploy SET epoch = ?2, holder = ?3, holder_since = ?4, holder_until = ?5 WHERE name = ?1",
        params![deploy, epoch, serde_json::to_string(ours)?, now, until],
    )?;
    let token = Token {
        deploy: deploy.to_owned(),
        deploy_id: id,
        epoch,
    };
    Ok((token, holder.is_some()))
}

fn give_back(connection: &Connection, token: &Token) -> Result<(), Fault> {
    connection.execute(
        "UPDATE deploy SET holder = NULL, holder_since = NULL, holder_until = NULL WHERE name = ?1 AND epoch = ?2",
        params![token.deploy, token.epoch],
    )?;
    Ok(())
}

/// Fails unless `token` is that of the current holder.
pub(super) fn verify(connection: &Connection, token: &Token) -> Result<(), Fault> {
    let current: Option<u64> = connection
        .prepare_cached("SELECT epoch FROM deploy WHERE name = ?1 AND holder IS NOT NULL")?
        .query_row(params![token.deploy], |row| row.get(0))
        .optional()?;
    match current {
        Some(epoch) if epoch == token.epoch => Ok(()),
        Some(_) | None => Err(StateError::LeaseLost {
            deploy: token.deploy.clone(),
            ours: token.epoch,
            current: current.unwrap_or(0),
        }
        .into()),
    }
}

impl Holder {
    pub(super) fn own() -> Holder {
        let pid = std::process::id();
        Holder {
            pid,
            started: started(pid).unwrap_or(0),
            host: host(),
            boot: boot(),
            namespace: namespace(),
        }
    }

    /// Whether this holder still holds, as seen by `observer`; `in_term` is whether it renewed in time.
    pub(super) fn holds(&self, observer: &Holder, in_term: bool) -> bool {
        if self.host == observer.host && self.boot != observer.boot {
            return false;
        }
        if self.boot == observer.boot && self.namespace == observer.namespace {
            return started(self.pid) == Some(self.started);
        }
        in_term
    }
}

/// When a process began, in clock ticks since boot; `None` if there is no such process (or only its zombie).
fn started(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let rest = &text[text.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// This process as people name it: `anna@laptop (process 123)`.
pub(super) fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let user = named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{user}@{} (process {})", host(), std::process::id())
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |m| m.ino())
}
