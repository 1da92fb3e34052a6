"""The tables of orders to boards in compliance.db."""

from hub.orders.waves import tables as waves
from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE board_order (
    id INTEGER PRIMARY KEY,
    mark TEXT NOT NULL UNIQUE,    -- random: an order of a database that was restored is never taken for a later one
    device TEXT NOT NULL,
    district TEXT NOT NULL, site TEXT NOT NULL,  -- where the board belonged when it was given
    what TEXT NOT NULL,           -- ping, relay, ... (hub/orders/kinds.py)
    settings TEXT NOT NULL,       -- JSON: what else the command says
    lasts REAL NOT NULL,          -- the board answers so long after it has begun, s
    who TEXT NOT NULL, reason TEXT NOT NULL,
    given REAL NOT NULL,          -- Unix s, as all times here
    expires REAL NOT NULL,        -- the board does not begin with it from then on
    state TEXT NOT NULL,          -- waiting (nothing is on its way), sent, done, refused, expired
    attempt INTEGER NOT NULL DEFAULT 0,  -- how often it was signed
    command TEXT,                 -- what is on its way, without its MAC; null: nothing
    number INTEGER,               -- `n` of the last attempt
    signed REAL,                  -- when that was
    heard_from INTEGER,           -- the log's offset behind which its reply comes
    ended REAL,
    answer TEXT NOT NULL DEFAULT ''  -- the board's last word, or why there is none
);
CREATE INDEX board_order_of_device ON board_order (device, id);
CREATE INDEX board_order_open ON board_order (id) WHERE state IN ('waiting', 'sent');
CREATE TABLE order_step (         -- the audit trail: only ever added to
    id INTEGER PRIMARY KEY,
    board_order INTEGER NOT NULL,
    time REAL NOT NULL,
    who TEXT NOT NULL,            -- a user, hub, or the board
    what TEXT NOT NULL,           -- given, signed, put off, done, refused, expired
    detail TEXT NOT NULL
);
CREATE INDEX order_step_by_order ON order_step (board_order, id);
CREATE TRIGGER order_step_stays BEFORE UPDATE ON order_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER order_step_is_kept BEFORE DELETE ON order_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END
""",
    """
CREATE TABLE desired (            -- how boards are to work: only ever added to; the newest of a place holds
    id INTEGER PRIMARY KEY,
    place TEXT NOT NULL,          -- site: the template of its boards; board: what is other there
    name TEXT NOT NULL,           -- the id of the site or the board
    settings TEXT NOT NULL,       -- JSON, by key of the board's configuration
    who TEXT NOT NULL, reason TEXT NOT NULL,
    made REAL NOT NULL            -- Unix s
);
CREATE INDEX desired_of_place ON desired (place, name, id);
CREATE TRIGGER desired_stays BEFORE UPDATE ON desired
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER desired_is_kept BEFORE DELETE ON desired
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TABLE desired_board (      -- what each board was told last, and what it has said of it
    device TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    settings TEXT NOT NULL,
    since REAL NOT NULL,          -- when that was made, Unix s
    heard_from INTEGER NOT NULL,  -- the log's offset behind which the board's answer comes
    state TEXT NOT NULL,          -- pending, in_force, refused
    said REAL,                    -- when the board answered
    problem TEXT NOT NULL DEFAULT '',  -- why it refused
    reported INTEGER NOT NULL DEFAULT 0,  -- the revision in force, as the board said last; 0: none
    in_force TEXT                 -- the settings of it
) WITHOUT ROWID;
CREATE INDEX desired_board_open ON desired_board (device) WHERE state <> 'in_force'
""",
    waves.STEP,
    """
CREATE TABLE board_key (          -- keys given over the air, enclosed under the board's one in keys.toml
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    enclosed TEXT NOT NULL,
    offered REAL NOT NULL,        -- since then it is taken, Unix s
    heard_from INTEGER NOT NULL,  -- the log's offset behind which the board may be heard under it
    shown REAL                    -- when it was; null: not yet
);
CREATE INDEX board_key_of_device ON board_key (device, id);
CREATE INDEX board_key_open ON board_key (id) WHERE shown IS NULL
""",
    """
CREATE TABLE desired_heard (offset INTEGER NOT NULL);  -- of the log: boards' own changes are taken over up to it
INSERT INTO desired_heard VALUES (0)
""",
)
PART = Part("orders", STEPS)
