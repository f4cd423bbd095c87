-- From format 1 to format 2. Foreign keys are off meanwhile, since a table that others refer to is made anew.

CREATE TABLE about (
  lineage TEXT NOT NULL
) STRICT;
INSERT INTO about (lineage) VALUES (lower(hex(randomblob(16))));
ALTER TABLE deploy ADD COLUMN engine TEXT;
CREATE TABLE run_2 (
  id        TEXT PRIMARY KEY,
  deploy    TEXT NOT NULL REFERENCES deploy(name),
  kind      TEXT NOT NULL CHECK (kind IN ('apply', 'destroy', 'surgery')),
  plan_hash TEXT NOT NULL,
  plan      TEXT NOT NULL,
  opened    INTEGER NOT NULL,
  closed    INTEGER,
  outcome   TEXT,
  who       TEXT
) STRICT;
INSERT INTO run_2 SELECT id, deploy, kind, plan_hash, plan, opened, closed, outcome, NULL FROM run ORDER BY rowid;
DROP TABLE run;
ALTER TABLE run_2 RENAME TO run;
CREATE UNIQUE INDEX one_open_run ON run(deploy) WHERE closed IS NULL;
CREATE INDEX run_by_plan ON run(deploy, plan_hash);

ALTER TABLE operation ADD COLUMN what TEXT;
ALTER TABLE operation ADD COLUMN took INTEGER;
-- Who is about the same thing: a step that takes over from another one.
CREATE INDEX step_by_thing ON step(deploy, node, json_extract(recipe, '$.kind'), json_extract(recipe, '$.key'));
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
