//! Changes of the record alone: a deploy is called otherwise, something is forgotten, a record is made anew from what a
//! backend has. Each is a run of its own in the journal, written under the lease in one transaction, so that history
//! tells it and a replay of the lines ends in the same record.

use std::collections::BTreeMap;
use std::sync::Arc;

use rebar_compiler::plan::{Addresses, LedgerNode};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::error::{Fault, StateError};
use super::lease::{self, Holder, Token, take, verify};
use super::{State, ledger, runs, store};
use crate::backend::{Found, MachineSpec, ObjectAction};
use crate::journal::{Entry, FailedClass, Line, NodeFacts, Request, Surgery};

impl State {
    /// Gives a deploy another name. Its objects carry its id and keep their names. A deploy of the new name of which
    /// nothing was ever made, as a first apply that failed leaves it, gives way: its runs become those of the deploy
    /// that moves.
    ///
    /// # Errors
    /// [`StateError::Surgery`] when something was made of a deploy of the new name; [`StateError::Leased`]; those of
    /// writing.
    pub async fn move_deploy(&self, deploy: &str, to: &str) -> Result<(), StateError> {
        let lease = self.lease_standing(deploy).await?;
        let (token, to, holder) = (lease.token().clone(), to.to_owned(), self.holder());
        let now = self.clock.milliseconds();
        self.write(move |connection| rename(connection, &token, &to, (&holder, now)))
            .await
        // The lease was given back under the new name; the drop finds nothing to give back.
    }

    /// Forgets a deploy, or one node of it, without touching what stands. A deploy that is forgotten as a whole gets
    /// another id, so that nothing that was made before is taken for its own.
    ///
    /// # Errors
    /// [`StateError::Surgery`] when a run is open that would miss the node; [`StateError::Leased`]; those of writing.
    pub async fn forget(&self, deploy: &str, node: Option<&str>) -> Result<(), StateError> {
        let lease = self.lease_standing(deploy).await?;
        let (token, node) = (lease.token().clone(), node.map(str::to_owned));
        let now = self.clock.milliseconds();
        self.write(move |connection| match &node {
            Some(node) => forget_node(connection, &token, node, now),
            None => forget_deploy(connection, &token, now),
        })
        .await?;
        lease.release().await
    }

    /// Records `found` as what stands of `deploy`. Steps are not recorded: the next plan ensures all of them, which
    /// changes nothing where they are as they should be.
    ///
    /// # Errors
    /// [`StateError::Surgery`] when something of the deploy is recorded, another deploy has its objects, or an object
    /// does not tell what it was made from; [`StateError::Leased`]; those of writing.
    pub async fn rebuild(
        &self,
        deploy: &str,
        site: &str,
        backend: &str,
        engine: Option<String>,
        found: Found,
    ) -> Result<(), StateError> {
        let place = Place {
            deploy: deploy.to_owned(),
            site: site.to_owned(),
            backend: backend.to_owned(),
            engine,
            holder: self.holder(),
        };
        let now = self.clock.milliseconds();
        self.write(move |connection| rebuild(connection, &place, &found, now))
            .await
    }

    /// The lease on a deploy that is recorded.
    async fn lease_standing(&self, deploy: &str) -> Result<super::Lease, StateError> {
        match self.deploy(deploy).await? {
            Some(record) => self.lease(deploy, &record.site, &record.backend).await,
            None => Err(refused(
                format!("no deploy `{deploy}` is recorded"),
                "`rebar state show` lists what is",
            )),
        }
    }
}

/// The group that the ledger has a node in.
fn group_held(connection: &Connection, place: &Place, node: &str) -> Result<Option<String>, Fault> {
    let held = connection.query_row(
        "SELECT grp FROM ledger_node WHERE site = ?1 AND deploy = ?2 AND node = ?3",
        params![place.site, place.deploy, node],
        |row| row.get(0),
    );
    Ok(held.optional()?)
}

/// The group that a node was made for, which its name tells: `web-3` was of `web`, `edge` of `edge`. A group that had
/// another name keeps its nodes' names, so this is for where neither record nor ledger is left.
pub fn group_of(node: &str) -> &str {
    match node.rsplit_once('-') {
        Some((group, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => group,
        _ => node,
    }
}

struct Place {
    deploy: String,
    site: String,
    backend: String,
    engine: Option<String>,
    /// Who takes the lease for that long.
    holder: Holder,
}

fn refused(what: impl Into<String>, help: impl Into<String>) -> StateError {
    StateError::Surgery {
        what: what.into(),
        help: help.into(),
    }
}

/// Opens and closes the run of a surgery, with its first line. Returns its id.
pub(super) fn operate(
    connection: &Connection,
    token: &Token,
    subject: &str,
    surgery: Surgery,
    now: i64,
) -> Result<String, Fault> {
    verify(connection, token)?;
    let run = Uuid::new_v4().to_string();
    connection.execute(
        "INSERT INTO run (id, deploy, kind, plan_hash, plan, opened, closed, outcome, who)
         VALUES (?1, ?2, 'surgery', ?3, ?4, ?5, ?5, 'done', ?6)",
        params![
            run,
            token.deploy,
            format!("surgery {run}"),
            serde_json::to_string(&surgery)?,
            now,
            lease::who()
        ],
    )?;
    write(connection, token, &run, subject, surgery, now)?;
    // Plans that were made before are stale.
    store::bump(connection, &token.deploy)?;
    Ok(run)
}

/// Both lines of one change.
fn write(
    connection: &Connection,
    token: &Token,
    run: &str,
    subject: &str,
    surgery: Surgery,
    now: i64,
) -> Result<(), Fault> {
    let note = surgery.text();
    let request = Request::Surgery { surgery };
    let operation = operation(run, subject);
    store::append(
        connection,
        token,
        run,
        &lines(operation, subject, request, note),
        now,
    )
}

pub(super) fn operation(run: &str, subject: &str) -> String {
    Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("{run}\nsurgery\n{subject}").as_bytes(),
    )
    .to_string()
}

pub(super) fn lines(operation: String, subject: &str, request: Request, note: String) -> [Line; 2] {
    let line = |operation, entry| Line {
        operation,
        subject: subject.to_owned(),
        attempt: 1,
        entry,
    };
    let done = Entry::Done {
        changed: false,
        note,
        prior: None,
        outputs: BTreeMap::new(),
        took: None,
    };
    [
        line(operation.clone(), Entry::Intent { request }),
        line(operation, done),
    ]
}

/// Every table that names deploys, and the column.
const NAMING: [(&str, &str); 9] = [
    ("deploy", "name"),
    ("run", "deploy"),
    ("ledger_node", "deploy"),
    ("ledger_address", "deploy"),
    ("network", "deploy"),
    ("machine", "deploy"),
    ("step", "deploy"),
    ("names", "deploy"),
    ("rehearsal", "deploy"),
];

fn rename(
    connection: &Connection,
    token: &Token,
    to: &str,
    (holder, now): (&Holder, i64),
) -> Result<(), Fault> {
    verify(connection, token)?;
    let from = token.deploy.clone();
    // References hold again when all tables have followed.
    connection.pragma_update(None, "defer_foreign_keys", true)?;
    let taken: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM deploy WHERE name = ?1)",
        params![to],
        |row| row.get(0),
    )?;
    if taken {
        give_way(connection, &from, to, (holder, now))?;
    }
    for (table, column) in NAMING {
        connection.execute(
            &format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"),
            params![from, to],
        )?;
    }
    let token = Token {
        deploy: to.to_owned(),
        ..token.clone()
    };
    let surgery = Surgery::Move {
        from,
        to: to.to_owned(),
    };
    operate(connection, &token, "deploy", surgery, now)?;
    release(connection, &token)
}

/// Takes the row of the deploy `to` away for that of `from`, where nothing was ever made of it. What it was given in
/// the ledger is free; its runs stay, under the name.
fn give_way(
    connection: &Connection,
    from: &str,
    to: &str,
    (holder, now): (&Holder, i64),
) -> Result<(), Fault> {
    if from == to || something_stands(connection, to)? || something_stood(connection, to)? {
        return Err(refused(
            format!("`{from}` cannot be moved to `{to}`: a deploy of that name is recorded"),
            format!(
                "choose a name under which nothing was ever made here; `rebar history {to}` tells what was made under \
                 this one"
            ),
        )
        .into());
    }
    // Whoever is at work under that name goes first.
    take(connection, to, holder, now)?;
    ledger::tidy(connection, to, &BTreeMap::new())?;
    // A plan that was made under either name is stale.
    connection.execute(
        "UPDATE deploy SET serial = max(serial, (SELECT serial FROM deploy WHERE name = ?2)) WHERE name = ?1",
        params![from, to],
    )?;
    connection.execute("DELETE FROM deploy WHERE name = ?1", params![to])?;
    Ok(())
}

/// Whether the journal tells that anything of a deploy was ever made. Were its lines read as those of another deploy,
/// what they take away would be taken from that one.
fn something_stood(connection: &Connection, deploy: &str) -> Result<bool, Fault> {
    let stood = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operation o JOIN run r ON r.id = o.run WHERE r.deploy = ?1 AND o.state = 'done'
           AND (o.subject LIKE 'machine/%' OR o.subject LIKE 'network/%' OR o.subject = 'names'))",
        params![deploy],
        |row| row.get(0),
    );
    Ok(stood?)
}

/// Whether anything of a deploy is recorded that stands, or may: a run of it is open.
fn something_stands(connection: &Connection, deploy: &str) -> Result<bool, Fault> {
    let stands = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM machine WHERE deploy = ?1) OR EXISTS (SELECT 1 FROM network WHERE deploy = ?1)
           OR EXISTS (SELECT 1 FROM run WHERE deploy = ?1 AND closed IS NULL)",
        params![deploy],
        |row| row.get(0),
    );
    Ok(stands?)
}

pub(super) fn release(connection: &Connection, token: &Token) -> Result<(), Fault> {
    connection.execute(
        "UPDATE deploy SET holder = NULL, holder_since = NULL, holder_until = NULL WHERE name = ?1",
        params![token.deploy],
    )?;
    Ok(())
}

fn names(connection: &Connection, table: &str, deploy: &str) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare(&format!(
        "SELECT name FROM {table} WHERE deploy = ?1 ORDER BY name"
    ))?;
    let names = statement.query_map(params![deploy], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn forget_node(connection: &Connection, token: &Token, node: &str, now: i64) -> Result<(), Fault> {
    verify(connection, token)?;
    if runs::open_run(connection, &token.deploy)?.is_some() {
        let deploy = &token.deploy;
        return Err(refused(
            format!("a run of `{deploy}` was broken off, and would go on without `{node}`"),
            format!("end it first: `rebar apply {deploy}`; or forget the whole deploy"),
        )
        .into());
    }
    let surgery = Surgery::ForgetMachine {
        name: node.to_owned(),
    };
    operate(connection, token, &format!("machine/{node}"), surgery, now).map(drop)
}

fn forget_deploy(connection: &Connection, token: &Token, now: i64) -> Result<(), Fault> {
    verify(connection, token)?;
    let deploy = &token.deploy;
    if let Some(open) = runs::open_run(connection, deploy)? {
        give_up(connection, token, &open.id, now)?;
    }
    let surgery = Surgery::Forget {
        deploy_id: token.deploy_id.clone(),
    };
    let run = operate(connection, token, "deploy", surgery, now)?;
    for name in names(connection, "machine", deploy)? {
        let subject = format!("machine/{name}");
        write(
            connection,
            token,
            &run,
            &subject,
            Surgery::ForgetMachine { name },
            now,
        )?;
    }
    for name in names(connection, "network", deploy)? {
        let subject = format!("network/{name}");
        write(
            connection,
            token,
            &run,
            &subject,
            Surgery::ForgetNetwork { name },
            now,
        )?;
    }
    let published: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM names WHERE deploy = ?1)",
        params![deploy],
        |row| row.get(0),
    )?;
    if published {
        write(connection, token, &run, "names", Surgery::ForgetNames, now)?;
    }
    ledger::tidy(connection, deploy, &BTreeMap::new())?;
    connection.execute(
        "UPDATE deploy SET id = ?2, engine = NULL WHERE name = ?1",
        params![deploy, Uuid::new_v4().to_string()],
    )?;
    Ok(())
}

/// What was begun and not ended is ended: nobody will ask any more.
fn give_up(connection: &Connection, token: &Token, run: &str, now: i64) -> Result<(), Fault> {
    let mut statement = connection
        .prepare("SELECT id, subject, attempt FROM operation WHERE run = ?1 AND state = 'intent'")?;
    let open = statement
        .query_map(params![run], |row| {
            Ok(Line {
                operation: row.get(0)?,
                subject: row.get(1)?,
                attempt: row.get(2)?,
                entry: Entry::Failed {
                    class: FailedClass::Ambiguous,
                    message: "the deploy was forgotten before anybody looked what became of it".to_owned(),
                    detail: String::new(),
                },
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    store::append(connection, token, run, &open, now)?;
    connection.execute(
        "UPDATE run SET closed = ?2, outcome = 'abandoned' WHERE id = ?1",
        params![run, now],
    )?;
    Ok(())
}

fn rebuild(connection: &Connection, place: &Place, found: &Found, now: i64) -> Result<(), Fault> {
    let id = &found.scope.deploy_id;
    may_rebuild(connection, place, id)?;
    connection.execute(
        "INSERT OR IGNORE INTO site (name, version) VALUES (?1, 0)",
        params![place.site],
    )?;
    // Nodes and objects refuse a writer whose epoch is lower than one that they have seen, and not all can be asked.
    // Seconds since 1970 are more than leases were ever given, since no two are given within one.
    let epoch = i64::try_from(found.epoch).unwrap_or(i64::MAX - 1).max(now / 1000);
    connection.execute(
        "INSERT INTO deploy (name, id, site, backend, serial, epoch, engine) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)
         ON CONFLICT (name) DO UPDATE SET id = excluded.id, site = excluded.site, backend = excluded.backend,
           epoch = max(epoch, excluded.epoch), engine = excluded.engine",
        params![place.deploy, id, place.site, place.backend, epoch, place.engine],
    )?;
    let (token, _) = take(connection, &place.deploy, &place.holder, now)?;
    let surgery = Surgery::Rebuild {
        deploy_id: id.clone(),
    };
    let run = operate(connection, &token, "deploy", surgery, now)?;
    for (name, object) in found.networks.iter().filter(|(_, object)| object.complete) {
        let network = object.spec.clone().ok_or_else(|| silent("network", name))?;
        let action = ObjectAction::CreateNetwork { network };
        adopt(
            connection,
            (&token, &run),
            &format!("network/{name}"),
            &object.operation,
            (action, None),
            now,
        )?;
    }
    let mut wanted = BTreeMap::new();
    for (name, object) in found.machines.iter().filter(|(_, object)| object.complete) {
        let spec = object.spec.clone().ok_or_else(|| silent("machine", name))?;
        let facts = NodeFacts {
            group: group_held(connection, place, name)?.unwrap_or_else(|| group_of(name).to_owned()),
            addresses: addresses(&spec),
        };
        let node = LedgerNode {
            group: facts.group.clone(),
            addresses: facts.addresses.clone(),
            // Nothing on a machine tells that: the next plan chooses.
            leader: false,
            retired: false,
        };
        wanted.insert(name.clone(), node);
        let action = ObjectAction::CreateMachine {
            machine: Box::new(spec),
        };
        adopt(
            connection,
            (&token, &run),
            &format!("machine/{name}"),
            &object.operation,
            (action, Some(facts)),
            now,
        )?;
    }
    ledger::add(connection, &place.site, &place.deploy, &wanted)?;
    release(connection, &token)
}

fn silent(kind: &str, name: &str) -> StateError {
    refused(
        format!("{kind} `{name}` does not tell what it was made from: an earlier rebar made it"),
        "nothing was changed; remove it by hand, or put back a backup of the state",
    )
}

fn may_rebuild(connection: &Connection, place: &Place, id: &str) -> Result<(), Fault> {
    let deploy = &place.deploy;
    let other: Option<String> = connection
        .query_row(
            "SELECT name FROM deploy WHERE id = ?1 AND name <> ?2",
            params![id, deploy],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(other) = other {
        return Err(refused(
            format!("these objects are those of deploy `{other}`, which is recorded here"),
            format!("to give it the name `{deploy}`, use `rebar state move {other} {deploy}`"),
        )
        .into());
    }
    if something_stands(connection, deploy)? {
        return Err(refused(
            format!("something of `{deploy}` is recorded here, and would be lost"),
            format!("`rebar state show {deploy}` tells what; destroy it, or forget it, first"),
        )
        .into());
    }
    Ok(())
}

/// Records an object that stands, under the operation that made it where the journal does not know that yet.
fn adopt(
    connection: &Connection,
    (token, run): (&Token, &str),
    subject: &str,
    made_by: &str,
    (action, node): (ObjectAction, Option<NodeFacts>),
    now: i64,
) -> Result<(), Fault> {
    let known: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operation WHERE id = ?1)",
        params![made_by],
        |row| row.get(0),
    )?;
    let operation = if known || made_by.is_empty() {
        operation(run, subject)
    } else {
        made_by.to_owned()
    };
    let request = Request::Object {
        action,
        node,
        leaves: false,
        told: Vec::new(),
    };
    let note = "was found with the marks of this deploy".to_owned();
    store::append(
        connection,
        token,
        run,
        &lines(operation, subject, request, note),
        now,
    )
}

/// The fixed addresses of a machine.
fn addresses(spec: &MachineSpec) -> Addresses {
    let fixed = spec
        .interfaces
        .iter()
        .map(|interface| (Arc::<str>::from(interface.network.as_str()), interface.address));
    fixed.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_tells_the_group() {
        for (name, group) in [
            ("web-1", "web"),
            ("edge", "edge"),
            ("a-b-12", "a-b"),
            ("x-", "x-"),
            ("a-b", "a-b"),
        ] {
            assert_eq!(super::group_of(name), group);
        }
    }
}
