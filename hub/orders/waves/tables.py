"""The tables of new versions in compliance.db: a step of the orders' tables (hub/orders/tables.py)."""

STEP = """
CREATE TABLE bundle (             -- what the city has signed; in the database, so that a backup has it
    sha256 TEXT PRIMARY KEY,      -- of the manifest
    version TEXT NOT NULL,
    arch TEXT NOT NULL,
    manifest BLOB NOT NULL,       -- verbatim
    signature TEXT NOT NULL,      -- of the manifest, Ed25519, hexadecimal
    who TEXT NOT NULL,
    added REAL NOT NULL           -- Unix s, as all times here
) WITHOUT ROWID;
CREATE UNIQUE INDEX bundle_of_version ON bundle (version, arch);
CREATE TABLE bundle_file (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE rollout (            -- a version that is brought to all boards
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    waves TEXT NOT NULL,          -- JSON: percent of the boards, rising
    tolerate REAL NOT NULL,       -- percent of a wave that may fail
    watch REAL NOT NULL,          -- a board is watched so long before it counts as healthy, s
    downgrade INTEGER NOT NULL,   -- 1: boards may take it though they run a later one
    who TEXT NOT NULL, reason TEXT NOT NULL,
    made REAL NOT NULL,
    state TEXT NOT NULL,          -- running, halted, done
    back INTEGER NOT NULL DEFAULT 0,      -- 1: whoever has it, or is heard with it, goes back
    wave INTEGER NOT NULL DEFAULT 0,      -- index of the wave that is under way
    heard INTEGER NOT NULL,       -- the log's offset up to which boards' words have been taken
    why TEXT NOT NULL DEFAULT ''  -- JSON: why it halted, English and Chinese
);
CREATE TABLE rollout_board (
    rollout INTEGER NOT NULL,
    device TEXT NOT NULL,
    state TEXT NOT NULL,          -- hub/orders/waves/book.py says what each means
    failed INTEGER NOT NULL DEFAULT 0,    -- 1: it did not work, not only that all went back; 2: and somebody resumed
    wave INTEGER,                 -- null: not chosen yet
    arch TEXT NOT NULL DEFAULT '',        -- as the board has said; empty: not known
    before TEXT NOT NULL DEFAULT '{}',    -- JSON: how it was before (hub/orders/waves/health.py)
    first TEXT NOT NULL DEFAULT '',       -- its first status with the new version
    last TEXT NOT NULL DEFAULT '',        -- and the latest one
    statuses INTEGER NOT NULL DEFAULT 0,  -- how many came with the new version
    board_order INTEGER,          -- the order that it is at
    tries INTEGER NOT NULL DEFAULT 0,
    since REAL NOT NULL,          -- when the state began; while it is watched or asked, when it was first heard with it
    why TEXT NOT NULL DEFAULT '', -- JSON: English and Chinese
    PRIMARY KEY (rollout, device)
) WITHOUT ROWID;
CREATE INDEX rollout_board_state ON rollout_board (rollout, state);
CREATE INDEX rollout_board_arch ON rollout_board (device, rollout) WHERE arch <> '';
CREATE TABLE rollout_step (       -- the audit trail: only ever added to
    id INTEGER PRIMARY KEY,
    rollout INTEGER NOT NULL,
    time REAL NOT NULL,
    who TEXT NOT NULL,            -- a user, or hub
    what TEXT NOT NULL,           -- begun, wave, halted, resumed, done
    detail TEXT NOT NULL          -- JSON: English and Chinese
);
CREATE INDEX rollout_step_by_rollout ON rollout_step (rollout, id);
CREATE TRIGGER rollout_step_stays BEFORE UPDATE ON rollout_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER rollout_step_is_kept BEFORE DELETE ON rollout_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
ALTER TABLE board_order ADD COLUMN key TEXT;  -- Idempotency-Key of the request that gave it; null: none
CREATE UNIQUE INDEX board_order_once ON board_order (who, key) WHERE key IS NOT NULL
"""
