"""How compliance.db came to the form from which each package counts the versions of its own tables in it.

The steps are those of the first releases and are never changed again. A new table, or a change of one, belongs into the
`tables.py` of the package that owns it.
"""

HISTORY = (
    """
CREATE TABLE cell (               -- what was measured with flag N in each window of the first step of an averaging
    device TEXT, quantity TEXT,
    span TEXT,                    -- the kind of window: 20 min, 1 h, period 22:00-06:00
    start INTEGER, end INTEGER NOT NULL,
    seconds REAL NOT NULL,        -- how much of it was measured
    total REAL NOT NULL,          -- integral of the value, of levels of 10^(level/10)
    highest REAL NOT NULL,
    seen INTEGER NOT NULL,        -- up to when readings have come
    warned TEXT NOT NULL,         -- early warnings given of it
    PRIMARY KEY (device, quantity, span, start)
) WITHOUT ROWID;
CREATE INDEX cell_by_end ON cell (end);
CREATE TABLE pending (            -- windows of averagings that are to be judged
    device TEXT, node TEXT, start INTEGER, end INTEGER NOT NULL,
    PRIMARY KEY (device, node, start)
) WITHOUT ROWID;
CREATE TABLE kept (               -- valid values of days, of which those of months and years are made
    device TEXT, node TEXT, start INTEGER, value REAL NOT NULL,
    PRIMARY KEY (device, node, start)
) WITHOUT ROWID;
CREATE TABLE mark (               -- windows above a value where a number of such windows is permitted
    device TEXT, rule TEXT, start INTEGER, end INTEGER NOT NULL, value REAL NOT NULL, capture REAL NOT NULL,
    PRIMARY KEY (device, rule, start)
) WITHOUT ROWID;
ALTER TABLE latest ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;  -- windows that end up to here have been judged
ALTER TABLE verdict ADD COLUMN standard TEXT NOT NULL DEFAULT '';
ALTER TABLE verdict ADD COLUMN limit_id TEXT NOT NULL DEFAULT '';
ALTER TABLE verdict ADD COLUMN quantity TEXT NOT NULL DEFAULT '';
ALTER TABLE verdict ADD COLUMN unit TEXT NOT NULL DEFAULT '';
ALTER TABLE verdict ADD COLUMN verified TEXT NOT NULL DEFAULT '';     -- the weaker letter of value and averaging
ALTER TABLE verdict ADD COLUMN binding TEXT NOT NULL DEFAULT 'binds'; -- binds, informs
ALTER TABLE verdict ADD COLUMN reason TEXT NOT NULL DEFAULT '';       -- why it is invalid
ALTER TABLE verdict ADD COLUMN permitted INTEGER NOT NULL DEFAULT 0;  -- 1: above the value, but that often it may be
CREATE INDEX verdict_by_window ON verdict (device, rule, start);
UPDATE verdict SET standard = 'GB 12523-2025', limit_id = substr(rule, 15), unit = 'dB(A)', verified = 'U',
    quantity = iif(rule LIKE '%lafmax%', 'lafmax', 'laeq'), reason = iif(outcome = 'invalid', 'too_little', '');
UPDATE latest SET closed = ifnull(
    (SELECT max(end) FROM window WHERE window.device = latest.device AND revision > 0), 0);
INSERT OR IGNORE INTO cell SELECT device, iif(rule LIKE '%lafmax%', 'lafmax', 'laeq'), '20 min', start, end,
    seconds, total, highest, end, '' FROM window;
INSERT INTO pending SELECT device, iif(rule LIKE '%lafmax%',
    'lafmax|20 min max >=0.75|wind<5', 'laeq|20 min energy_mean >=0.75|wind<5'), start, end
    FROM window WHERE revision <= 0;
DROP TABLE window
""",
    """
CREATE TABLE alert_before AS SELECT * FROM alert;
DROP TABLE alert;
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,           -- limit, or of the network: silent, sensor, clock, calibration, outbox, flood, lag
    district TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,  -- empty: of the hub itself
    rule TEXT NOT NULL,           -- device and rule are the cause: "GB 12523-2025 laeq-day", "board silent"
    state TEXT NOT NULL,          -- pending, firing, acknowledged, resolved, closed; withdrawn: it never fired
    severity TEXT NOT NULL,       -- info, warning, violation, critical
    opened REAL NOT NULL, fired REAL, acknowledged REAL, resolved REAL, closed REAL,  -- Unix s, as all times here
    acknowledged_by TEXT,
    escalation INTEGER NOT NULL DEFAULT 0,  -- the level up to which recipients have been called
    maintenance INTEGER,          -- the maintenance window for which nobody is told of it
    permit TEXT,                  -- number of the permit for night work that held
    first INTEGER NOT NULL,       -- start of the first window that broke the limit
    last INTEGER NOT NULL,        -- end of the last one
    value REAL, limit_value REAL, unit TEXT, quantity TEXT,  -- worst so far; null for those of the network
    capture REAL,                 -- share of the window with the worst value that was measured
    standard TEXT, clause TEXT,
    verified TEXT, averaging_verified TEXT,  -- P, S or U: how well the limit's value and its averaging are known
    length INTEGER NOT NULL DEFAULT 0,      -- of a window, s
    exceeded INTEGER NOT NULL DEFAULT 0,    -- windows in a row that broke the limit
    kept INTEGER NOT NULL DEFAULT 0,        -- windows in a row that kept it since
    judged_to INTEGER NOT NULL DEFAULT 0,   -- end of the newest window that counted
    early_end INTEGER NOT NULL DEFAULT 0,   -- end of the open window that was warned of
    certain INTEGER NOT NULL DEFAULT 0,     -- 1: it was told that this window can no longer keep the limit
    text TEXT NOT NULL            -- what people were told first, as a line in English and one in Chinese
);
INSERT INTO alert (id, kind, district, site, device, rule, state, severity, opened, fired, resolved, first, last, value,
        limit_value, length, exceeded, judged_to, text)
    SELECT id, 'limit', district, site, device, rule, state, 'violation', opened, opened, resolved, first, last, value,
        limit_value, last - first, 1, last, text FROM alert_before;
CREATE UNIQUE INDEX alert_open ON alert (device, rule) WHERE state IN ('pending', 'firing', 'acknowledged');
CREATE INDEX alert_by_cause ON alert (device, rule, id);
CREATE INDEX alert_by_state ON alert (state);
CREATE TABLE alert_window (       -- the judged windows on which an alert rests, as judged last
    alert INTEGER, start INTEGER,
    end INTEGER NOT NULL, revision INTEGER NOT NULL, outcome TEXT NOT NULL, value REAL, capture REAL,
    PRIMARY KEY (alert, start)
) WITHOUT ROWID;
CREATE TABLE alert_step (         -- the audit trail: only ever added to
    id INTEGER PRIMARY KEY,
    alert INTEGER NOT NULL,
    time REAL NOT NULL,
    who TEXT NOT NULL,            -- hub, or a user
    what TEXT NOT NULL,
    detail TEXT NOT NULL,         -- as it was told, in English; what a user wrote, as it was written
    detail_zh TEXT NOT NULL,      -- and in Chinese
    severity TEXT NOT NULL,       -- of the alert then
    quiet INTEGER NOT NULL        -- 1: recorded, but nobody is told
);
CREATE INDEX alert_step_by_alert ON alert_step (alert, id);
CREATE TRIGGER alert_step_stays BEFORE UPDATE ON alert_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER alert_step_is_kept BEFORE DELETE ON alert_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    device TEXT NOT NULL,         -- empty: every board of the site
    begins REAL NOT NULL, ends REAL NOT NULL,
    reason TEXT NOT NULL,
    who TEXT NOT NULL, made REAL NOT NULL,
    removed_by TEXT, removed REAL -- a window that was taken back stays on record
);
CREATE INDEX maintenance_by_site ON maintenance (site, ends);
CREATE TABLE access (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,           -- viewer, officer, admin
    hash TEXT NOT NULL,           -- SHA-256 of the token's secret, hexadecimal; the token itself is nowhere
    made REAL NOT NULL, revoked REAL
) WITHOUT ROWID;
CREATE TABLE access_step (        -- who let whom in, and whose access was revoked: only ever added to
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    who TEXT NOT NULL,            -- a user of the hub's machine
    what TEXT NOT NULL,           -- added, revoked
    name TEXT NOT NULL, role TEXT NOT NULL
);
CREATE TRIGGER access_step_stays BEFORE UPDATE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER access_step_is_kept BEFORE DELETE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TABLE calibration (device TEXT PRIMARY KEY, due TEXT NOT NULL) WITHOUT ROWID;  -- as the boards said
CREATE TABLE watched (offset INTEGER NOT NULL);  -- the log's offset up to which the network has been watched
INSERT INTO watched VALUES (-1);
CREATE TABLE notification (
    id INTEGER PRIMARY KEY,
    alert INTEGER NOT NULL, step INTEGER NOT NULL, recipient TEXT NOT NULL,
    state TEXT NOT NULL,          -- waiting, sending, sent, unknown (a crash while it was sent, twice), dropped
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,            -- not to be sent before
    repeated INTEGER NOT NULL DEFAULT 0,  -- whether it was sent was left open 1: by a crash, 2: by a lost answer;
                                          -- it was sent again, and said so
    sent REAL,
    digest INTEGER,               -- the first notification of the digest with which it was sent
    error TEXT,                   -- of the last attempt
    UNIQUE (alert, step, recipient)
);
CREATE INDEX notification_waiting ON notification (recipient, due) WHERE state IN ('waiting', 'sending');
CREATE INDEX notification_sent ON notification (recipient, sent) WHERE sent IS NOT NULL;
CREATE TABLE notified (step INTEGER NOT NULL);  -- the newest step for which recipients have been chosen
INSERT INTO alert_step (alert, time, who, what, detail, detail_zh, severity, quiet)
    SELECT id, opened, 'hub', 'firing', text, text, 'violation', 0 FROM alert_before ORDER BY told DESC, id;
INSERT INTO notified SELECT count(*) FROM alert_before WHERE told = 1;
INSERT INTO alert_step (alert, time, who, what, detail, detail_zh, severity, quiet)
    SELECT id, resolved, 'hub', 'resolved', '', '', 'violation', 1 FROM alert_before WHERE resolved IS NOT NULL;
DROP TABLE alert_before
""",
)
"""From version 1 to 2: windows of any length and limits of every standard. From 2 to 3: alerts with a life."""
