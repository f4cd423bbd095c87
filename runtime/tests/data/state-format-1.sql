-- Everything that is derived from the journal changes in the transaction of the line that it is derived from.

-- Site scope: names and addresses, given once and kept.
CREATE TABLE site (
  name    TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) STRICT;
CREATE TABLE ledger_node (
  site   TEXT NOT NULL REFERENCES site(name),
  deploy TEXT NOT NULL,
  node   TEXT NOT NULL,
  grp    TEXT NOT NULL,
  PRIMARY KEY (site, deploy, node)
) STRICT;
CREATE TABLE ledger_address (
  site    TEXT NOT NULL,
  deploy  TEXT NOT NULL,
  node    TEXT NOT NULL,
  network TEXT NOT NULL,
  address TEXT NOT NULL,
  PRIMARY KEY (site, deploy, node, network),
  UNIQUE (site, deploy, network, address),
  FOREIGN KEY (site, deploy, node) REFERENCES ledger_node(site, deploy, node) ON DELETE CASCADE
) STRICT;

-- Deploy scope. `epoch` counts the holders of the lease; the holder's columns are null when nobody holds it.
CREATE TABLE deploy (
  name          TEXT PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  site          TEXT NOT NULL,
  backend       TEXT NOT NULL,
  serial        INTEGER NOT NULL,
  epoch         INTEGER NOT NULL,
  holder        TEXT,
  holder_since  INTEGER,
  holder_until  INTEGER
) STRICT;
CREATE TABLE run (
  id        TEXT PRIMARY KEY,
  deploy    TEXT NOT NULL REFERENCES deploy(name),
  kind      TEXT NOT NULL CHECK (kind IN ('apply', 'destroy')),
  plan_hash TEXT NOT NULL,
  plan      TEXT NOT NULL,
  opened    INTEGER NOT NULL,
  closed    INTEGER,
  outcome   TEXT
) STRICT;
CREATE UNIQUE INDEX one_open_run ON run(deploy) WHERE closed IS NULL;
CREATE INDEX run_by_plan ON run(deploy, plan_hash);

CREATE TABLE journal (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  run       TEXT NOT NULL REFERENCES run(id),
  operation TEXT NOT NULL,
  subject   TEXT NOT NULL,
  kind      TEXT NOT NULL CHECK (kind IN ('intent', 'handle', 'done', 'failed')),
  epoch     INTEGER NOT NULL,
  attempt   INTEGER NOT NULL,
  payload   TEXT NOT NULL,
  time      INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_by_run ON journal(run, seq);
CREATE TRIGGER journal_is_append_only_1 BEFORE UPDATE ON journal
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_append_only_2 BEFORE DELETE ON journal
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Derived: the last word on each operation.
CREATE TABLE operation (
  id      TEXT PRIMARY KEY,
  run     TEXT NOT NULL REFERENCES run(id),
  subject TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  state   TEXT NOT NULL CHECK (state IN ('intent', 'done', 'failed')),
  request TEXT NOT NULL
) STRICT;
CREATE INDEX operation_by_run ON operation(run, state);

-- Derived: what stands.
CREATE TABLE network (
  deploy TEXT NOT NULL REFERENCES deploy(name),
  name   TEXT NOT NULL,
  spec   TEXT NOT NULL,
  PRIMARY KEY (deploy, name)
) STRICT;
CREATE TABLE machine (
  deploy    TEXT NOT NULL REFERENCES deploy(name),
  name      TEXT NOT NULL,
  grp       TEXT NOT NULL,
  addresses TEXT NOT NULL,
  digest    TEXT NOT NULL,
  spec      TEXT NOT NULL,
  told      INTEGER NOT NULL,   -- 1: it knows the table of names that was published last
  PRIMARY KEY (deploy, name)
) STRICT;
CREATE TABLE step (
  deploy     TEXT NOT NULL,
  node       TEXT NOT NULL,
  address    TEXT NOT NULL,
  since      TEXT,              -- the run that first finished it; null: begun only
  unfinished INTEGER NOT NULL,  -- 1: begun and not known to be finished
  recipe     TEXT NOT NULL,
  PRIMARY KEY (deploy, node, address),
  FOREIGN KEY (deploy, node) REFERENCES machine(deploy, name) ON DELETE CASCADE
) STRICT;
CREATE TABLE names (
  deploy TEXT PRIMARY KEY REFERENCES deploy(name),
  tbl    TEXT NOT NULL
) STRICT;
