-- Version 1. Names are looked up in the schema of the URL. Texts that a column cannot hold are escaped: scalars.py.

-- A queue that was declared. Messages need none: a queue exists as soon as it is used.
CREATE TABLE queue (
    name text PRIMARY KEY
);

-- Who may be received: ready messages, and waiting ones (delayed or leased) from visible_at on.
-- receipt is the number of the delivery that holds the message; it outlives its lease until the
-- next delivery. Where body is NULL, the message shares the one of its task's row.
CREATE TABLE message (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    ready boolean NOT NULL,
    visible_at timestamptz NOT NULL,
    sent_at timestamptz NOT NULL,
    receipt integer,
    receives integer NOT NULL DEFAULT 0,
    task bigint, -- task.seq, where the body is shared
    group_key text,
    attributes json,
    body bytea
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX message_ready ON message (queue, priority DESC, seq) WHERE ready;
CREATE INDEX message_waiting ON message (queue, visible_at) WHERE NOT ready;
CREATE INDEX message_key ON message (key); -- for prune: a row stays while its message does

CREATE TABLE dead_letter (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    group_key text,
    attributes json,
    body bytea NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    stamp integer,
    receives integer NOT NULL,
    died_at timestamptz NOT NULL
);
CREATE INDEX dead_letter_queue ON dead_letter (queue, seq);
CREATE INDEX dead_letter_key ON dead_letter (key); -- for prune: they go with their rows

CREATE TABLE task (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    queue text COLLATE "C" NOT NULL,
    name text NOT NULL,
    state text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    max_attempts integer,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz,
    spec_expires_at timestamptz, -- as enqueued; expires_at is cleared by a retry
    token bigint NOT NULL DEFAULT 0,
    run integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    rescues integer NOT NULL DEFAULT 0,
    audits integer NOT NULL DEFAULT 0,
    wake_no bigint NOT NULL DEFAULT 0,
    wake_at timestamptz,
    claim_id text,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    cancel_requested_at timestamptz,
    archived_at timestamptz,
    deleted_at timestamptz,
    reason text,
    error json,
    error_folded bytea, -- what the error is found by
    progress double precision,
    progress_note text,
    category text,
    tenant text,
    owner text,
    label text,
    parent_id text,
    key text,
    tags jsonb,
    delete_on_complete boolean NOT NULL DEFAULT false,
    body bytea, -- NULL where it was given up
    result bytea,
    report bytea
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX task_state ON task (state, queue, seq) WHERE deleted_at IS NULL AND archived_at IS NULL;
CREATE INDEX task_archived ON task (state, queue, archived_at)
    WHERE archived_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX task_wake ON task (wake_at, seq) WHERE wake_at IS NOT NULL;
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_final ON task (state, updated_at, seq)
    WHERE state IN ('succeeded', 'failed', 'cancelled', 'expired');

CREATE TABLE attempt (
    task bigint NOT NULL, -- task.seq
    token bigint NOT NULL,
    run integer NOT NULL,
    number integer NOT NULL,
    worker text NOT NULL,
    outcome text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    error json,
    lines json,
    PRIMARY KEY (task, token)
);

-- The store. Keys are UTF-8, and sort as their characters do. A version is never used again.
CREATE SEQUENCE entry_version;
CREATE TABLE entry (
    key bytea PRIMARY KEY,
    version bigint NOT NULL DEFAULT nextval('entry_version'),
    value bytea NOT NULL,
    counter boolean NOT NULL,
    expires_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX entry_expiry ON entry (expires_at) WHERE expires_at IS NOT NULL;
