-- Version 1. Times are microseconds since 1970-01-01 UTC; error, lines, tags and attributes are JSON.

-- A queue that was declared. Messages need none: a queue exists as soon as it is used.
CREATE TABLE queue (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Who may be received: ready messages, and waiting ones (delayed or leased) from visible_at on.
-- receipt is the number of the delivery that holds the message; it outlives its lease until the
-- next delivery. Where body is NULL, the message shares the one of its task's row.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: receipts are made of it
    key TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    receipt INTEGER,
    receives INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER NOT NULL,
    task INTEGER, -- task.seq, where the body is shared
    group_key TEXT,
    attributes TEXT,
    body BLOB
);
CREATE INDEX message_ready ON message (queue, priority DESC, seq) WHERE ready;
CREATE INDEX message_waiting ON message (queue, visible_at, receipt) WHERE NOT ready;

CREATE TABLE dead_letter (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    priority INTEGER NOT NULL,
    group_key TEXT,
    attributes TEXT,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    stamp INTEGER,
    receives INTEGER NOT NULL,
    died_at INTEGER NOT NULL
);
CREATE INDEX dead_letter_queue ON dead_letter (queue, seq);
CREATE INDEX dead_letter_key ON dead_letter (key); -- for prune: they go with their rows

CREATE TABLE task (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    max_attempts INTEGER,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    spec_expires_at INTEGER, -- as enqueued; expires_at is cleared by a retry
    token INTEGER NOT NULL DEFAULT 0,
    run INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    rescues INTEGER NOT NULL DEFAULT 0,
    audits INTEGER NOT NULL DEFAULT 0,
    wake_no INTEGER NOT NULL DEFAULT 0,
    wake_at INTEGER,
    claim_id TEXT,
    worker TEXT,
    lease_until INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    cancel_requested_at INTEGER,
    archived_at INTEGER,
    deleted_at INTEGER,
    reason TEXT,
    error TEXT,
    progress REAL,
    progress_note TEXT,
    category TEXT,
    tenant TEXT,
    owner TEXT,
    label TEXT,
    parent_id TEXT,
    key TEXT,
    tags TEXT,
    delete_on_complete INTEGER NOT NULL DEFAULT 0,
    has_body INTEGER NOT NULL DEFAULT 1,
    result BLOB,
    report BLOB
);
CREATE INDEX task_state ON task (state, queue, archived_at) WHERE deleted_at IS NULL;
CREATE INDEX task_wake ON task (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;
-- For prune. An IN list would be built anew for each row written; OR is only compared.
CREATE INDEX task_final ON task (state, updated_at)
    WHERE state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'expired';

-- The body of a task, apart from its row: written once, however often the row changes.
CREATE TABLE payload (
    task INTEGER PRIMARY KEY, -- task.seq
    body BLOB NOT NULL
);

CREATE TABLE attempt (
    task INTEGER NOT NULL, -- task.seq
    token INTEGER NOT NULL,
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    worker TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    error TEXT,
    lines TEXT,
    PRIMARY KEY (task, token)
) WITHOUT ROWID;

-- The store. A write replaces the row, so its number is the version: it grows, and is never used again.
CREATE TABLE entry (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    value BLOB NOT NULL,
    counter INTEGER NOT NULL,
    expires_at INTEGER
);
CREATE INDEX entry_expiry ON entry (expires_at) WHERE expires_at IS NOT NULL;
