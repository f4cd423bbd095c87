-- From format 2 to format 3: who leads a group is kept.

ALTER TABLE ledger_node ADD COLUMN leader INTEGER NOT NULL DEFAULT 0;
