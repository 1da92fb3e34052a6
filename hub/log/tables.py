"""The tables of the log, version after version; a column is explained where it is made."""

STEPS = (
    """
CREATE TABLE message (
    offset INTEGER PRIMARY KEY,   -- counts up by one; a consumer's position is the offset it has done
    received REAL NOT NULL,       -- Unix s
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,        -- verbatim: its MAC can be checked for ever
    fresh TEXT,                   -- telemetry: [[first, after the last), ...] of the record numbers that are new
    findings TEXT,                -- telemetry: [[index, quantity, flag], ...] of implausible values
    settled INTEGER NOT NULL      -- telemetry: 1 when no older record of the stream is still to come
);
CREATE TABLE stream (
    device TEXT, stream TEXT,
    ranges TEXT NOT NULL,         -- [[first, after the last), ...] of the record numbers done with
    PRIMARY KEY (device, stream)
) WITHOUT ROWID;
CREATE TABLE gap (                -- records that will never come
    device TEXT, stream TEXT, first INTEGER, last INTEGER,
    reason TEXT NOT NULL,         -- as the board gave it, else empty
    noted REAL NOT NULL,
    PRIMARY KEY (device, stream, first)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    received REAL NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    device TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX quarantine_by_device ON quarantine (device, reason);
CREATE TABLE position (consumer TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID
""",
    """
ALTER TABLE quarantine ADD COLUMN fresh TEXT;  -- telemetry with a good MAC: the record numbers that it took, as above
ALTER TABLE quarantine ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;  -- 1: somebody wants it judged again
CREATE INDEX quarantine_asked ON quarantine (id) WHERE asked = 1;
CREATE INDEX message_said ON message (topic) WHERE fresh IS NULL;  -- to know events and replies that come again
CREATE TABLE count (              -- messages since the log was made, whatever has been pruned
    device TEXT,                  -- empty: not of a registered board, or of all (accepted, duplicate, replayed)
    reason TEXT,                  -- accepted, duplicate, replayed, flood (let go of), or why it was refused
    messages INTEGER NOT NULL,
    last REAL NOT NULL,           -- when the last one came, Unix s
    PRIMARY KEY (device, reason)
) WITHOUT ROWID;
INSERT INTO count SELECT iif(reason = 'unknown_board', '', ifnull(device, '')), reason, count(*), max(received)
    FROM quarantine GROUP BY 1, 2;
INSERT INTO count SELECT '', 'accepted', count(*), max(received) FROM message HAVING count(*) > 0
""",
    """
INSERT INTO position SELECT 'streams', ifnull(max(offset), 0) FROM message  -- up to here the table stream is complete
""",
    """
ALTER TABLE quarantine ADD COLUMN authentic INTEGER NOT NULL DEFAULT 0;  -- 1: with a good MAC, or the hub's own
ALTER TABLE quarantine ADD COLUMN digest BLOB;  -- SHA-256 of topic, 0 and payload where authentic: each is kept once
ALTER TABLE quarantine ADD COLUMN times INTEGER NOT NULL DEFAULT 1;  -- how often it came
ALTER TABLE quarantine ADD COLUMN last REAL;    -- when it came last, Unix s; null: once
UPDATE quarantine SET authentic = 1 WHERE fresh IS NOT NULL OR reason IN (
    'retired_board', 'wrong_topic', 'schema', 'unknown_quantity', 'interval', 'future', 'past', 'store'
);
CREATE UNIQUE INDEX quarantine_once ON quarantine (digest) WHERE digest IS NOT NULL;
CREATE INDEX quarantine_foreign ON quarantine (id) WHERE authentic = 0;
ALTER TABLE message ADD COLUMN before INTEGER;  -- telemetry: offset of the stream's message before this one; 0: none
ALTER TABLE message ADD COLUMN branch INTEGER;  -- telemetry: N: of branch N of the stream; 0: an earlier version's
ALTER TABLE stream ADD COLUMN tail INTEGER;     -- offset of its last message; null or 0: none
ALTER TABLE stream ADD COLUMN newest INTEGER;   -- none of its records is later, Unix s
ALTER TABLE stream ADD COLUMN until INTEGER NOT NULL DEFAULT 0;  -- as hub.stream_table.Stream has it
UPDATE stream SET newest = (SELECT ifnull(max(received), 0) + 300 FROM message);  -- later ones were refused
UPDATE position SET offset = max(0, offset - 400000) WHERE consumer = 'streams'  -- to chain the newest messages
""",
    """
ALTER TABLE message ADD COLUMN proof TEXT;     -- how well its origin is proven; null: as its channel has it
ALTER TABLE message ADD COLUMN digest BLOB;    -- dated statuses, channels without numbers: SHA-256 of topic, 0, payload
CREATE UNIQUE INDEX message_once ON message (digest) WHERE digest IS NOT NULL;
ALTER TABLE quarantine ADD COLUMN proof TEXT
""",
    """
CREATE TABLE pruned_status (      -- the latest status that was pruned: none up to it is new
    device TEXT,
    online INTEGER,               -- 0: last wills, which have the time of their connection
    t INTEGER NOT NULL,           -- Unix s, the board's
    PRIMARY KEY (device, online)
) WITHOUT ROWID
""",
)
