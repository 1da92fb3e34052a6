"""The tables of compliance.db, as steps from one version of its schema to the next."""

from hub.storage.compliance_alerts import STEP as ALERTS_STEP

STEPS = (
    """
CREATE TABLE window (
    device TEXT, rule TEXT, start INTEGER, end INTEGER NOT NULL,
    seconds REAL NOT NULL, total REAL NOT NULL, highest REAL NOT NULL,
    revision INTEGER NOT NULL,    -- 0 while open, then of its latest verdict
    PRIMARY KEY (device, rule, start)
) WITHOUT ROWID;
CREATE INDEX window_open ON window (revision, end);
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT, start INTEGER, end INTEGER,
    outcome TEXT NOT NULL,        -- compliant, exceeded, invalid
    value REAL, limit_value REAL NOT NULL,
    valid_share REAL NOT NULL,
    revision INTEGER NOT NULL,    -- above 1: late data amended it
    judged REAL NOT NULL
);
CREATE INDEX verdict_by_site ON verdict (site, start);
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT,
    state TEXT NOT NULL,          -- firing, resolved
    opened REAL NOT NULL, resolved REAL,
    first INTEGER NOT NULL,       -- start of the first window that broke the limit
    last INTEGER NOT NULL,        -- end of the last one
    value REAL NOT NULL,          -- worst so far
    limit_value REAL NOT NULL,
    text TEXT NOT NULL,           -- what people are told, in English and Chinese
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX alert_by_state ON alert (state, device, rule);
CREATE TABLE latest (
    device TEXT PRIMARY KEY,
    t INTEGER NOT NULL,           -- end of its latest record before which none is still to come
    heard REAL NOT NULL           -- when a record of it was last taken
) WITHOUT ROWID;
CREATE TABLE position (offset INTEGER NOT NULL);
INSERT INTO position VALUES (0)
""",
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
    ALERTS_STEP,
)
