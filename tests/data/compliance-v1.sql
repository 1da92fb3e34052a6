BEGIN TRANSACTION;
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
CREATE TABLE latest (
    device TEXT PRIMARY KEY,
    t INTEGER NOT NULL,           -- end of its latest record before which none is still to come
    heard REAL NOT NULL           -- when a record of it was last taken
) WITHOUT ROWID;
INSERT INTO "latest" VALUES('fence-1',1772337640,1772424000.0);
CREATE TABLE position (offset INTEGER NOT NULL);
INSERT INTO "position" VALUES(4);
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT, start INTEGER, end INTEGER,
    outcome TEXT NOT NULL,        -- compliant, exceeded, invalid
    value REAL, limit_value REAL NOT NULL,
    valid_share REAL NOT NULL,
    revision INTEGER NOT NULL,    -- above 1: late data amended it
    judged REAL NOT NULL
);
CREATE TABLE window (
    device TEXT, rule TEXT, start INTEGER, end INTEGER NOT NULL,
    seconds REAL NOT NULL, total REAL NOT NULL, highest REAL NOT NULL,
    revision INTEGER NOT NULL,    -- 0 while open, then of its latest verdict
    PRIMARY KEY (device, rule, start)
) WITHOUT ROWID;
INSERT INTO "window" VALUES('fence-1','GB 12523-2025 laeq-day',1772337600,1772338800,50.0,50000000.0,60.0,0);
INSERT INTO "window" VALUES('fence-1','GB 12523-2025 laeq-day',1772422800,1772424000,0.0,0.0,-9e999,0);
CREATE INDEX window_open ON window (revision, end);
CREATE INDEX verdict_by_site ON verdict (site, start);
CREATE INDEX alert_by_state ON alert (state, device, rule);
COMMIT;
PRAGMA user_version = 1;
