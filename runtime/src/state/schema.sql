-- Everything that is derived from the journal changes in the transaction of the line that it is derived from.

-- Which state this is: copies of it, and what was imported from it, have the same id.
CREATE TABLE about (
  lineage TEXT NOT NULL
) STRICT;
INSERT INTO about (lineage) VALUES (lower(hex(randomblob(16))));

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
  leader INTEGER NOT NULL DEFAULT 0,   -- 1: it was chosen to lead its group
  retired INTEGER NOT NULL DEFAULT 0,  -- 1: it was asked to leave
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
  holder_until  INTEGER,
  engine        TEXT            -- who made its machines, in the backend's words; null: not known
) STRICT;
CREATE TABLE run (
  id        TEXT PRIMARY KEY,
  deploy    TEXT NOT NULL REFERENCES deploy(name),
  kind      TEXT NOT NULL CHECK (kind IN ('apply', 'destroy', 'surgery')),
  plan_hash TEXT NOT NULL,
  plan      TEXT NOT NULL,
  opened    INTEGER NOT NULL,
  closed    INTEGER,
  outcome   TEXT,
  who       TEXT                -- user, host and process that opened it
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
  request TEXT NOT NULL,
  what    TEXT,              -- under which its duration is kept
  took    INTEGER            -- milliseconds, where that was seen
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
-- Who is about the same thing: a step that takes over from another one.
CREATE INDEX step_by_thing ON step(deploy, node, json_extract(recipe, '$.kind'), json_extract(recipe, '$.key'));
CREATE TABLE names (
  deploy TEXT PRIMARY KEY REFERENCES deploy(name),
  tbl    TEXT NOT NULL
) STRICT;

-- Derived: how long changes took, for priorities and forecasts. `what` is `create machine`, `step package pages.nginx`.
CREATE TABLE duration (
  backend TEXT NOT NULL,
  what    TEXT NOT NULL,
  count   INTEGER NOT NULL,   -- how often it was done
  total   INTEGER NOT NULL,   -- milliseconds in all
  samples TEXT NOT NULL,      -- the latest, in milliseconds, as a JSON list, the newest last
  PRIMARY KEY (backend, what)
) STRICT;

-- How often a segment's pattern was carried out or rehearsed, where, and how that ended.
CREATE TABLE practice (
  pattern  TEXT NOT NULL,     -- the segment's hash, or the hash of a group's hardware for provisioning
  role     TEXT NOT NULL,
  backend  TEXT NOT NULL,     -- for rehearsals the backend that was rehearsed for
  how      TEXT NOT NULL CHECK (how IN ('applied', 'rehearsed')),
  outcome  TEXT NOT NULL CHECK (outcome IN ('done', 'failed')),
  count    INTEGER NOT NULL,
  last     INTEGER NOT NULL,  -- milliseconds since 1970
  PRIMARY KEY (pattern, backend, how, outcome)
) STRICT;
CREATE TABLE rehearsal (
  id       TEXT PRIMARY KEY,
  deploy   TEXT NOT NULL,
  time     INTEGER NOT NULL,
  plan_hash TEXT NOT NULL,
  seed     INTEGER NOT NULL,
  runs     INTEGER NOT NULL,
  report   TEXT NOT NULL      -- JSON
) STRICT;
