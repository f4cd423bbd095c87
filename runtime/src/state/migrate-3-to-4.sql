-- From format 3 to format 4: nodes that were asked to leave.

ALTER TABLE ledger_node ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
