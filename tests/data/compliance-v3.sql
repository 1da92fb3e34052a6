BEGIN TRANSACTION;
CREATE TABLE access (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,           -- viewer, officer, admin
    hash TEXT NOT NULL,           -- SHA-256 of the token's secret, hexadecimal; the token itself is nowhere
    made REAL NOT NULL, revoked REAL
) WITHOUT ROWID;
INSERT INTO "access" VALUES('officer-2','officer','4bd88de7d5dabea688f8fb9ab3eaf2708ac896e8a17bc4f15a4a3dd86721d815',1772415605.0,NULL);
INSERT INTO "access" VALUES('officer-9','viewer','4e0304059b5399eea75bc4d75b80ef630b31a736470124b191a3de1c906dceb8',1772415605.0,1772415606.0);
CREATE TABLE access_step (        -- who let whom in, and whose access was revoked: only ever added to
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    who TEXT NOT NULL,            -- a user of the hub's machine
    what TEXT NOT NULL,           -- added, revoked
    name TEXT NOT NULL, role TEXT NOT NULL
);
INSERT INTO "access_step" VALUES(1,1772415605.0,'root','added','officer-2','officer');
INSERT INTO "access_step" VALUES(2,1772415605.0,'root','added','officer-9','viewer');
INSERT INTO "access_step" VALUES(3,1772415606.0,'root','revoked','officer-9','viewer');
CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,           -- limit, or of the network: silent, sensor, clock, calibration, outbox, lag
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
INSERT INTO "alert" VALUES(1,'limit','north','tower','fence-1','GB 12523-2025 laeq-day','acknowledged','violation',1772414405.0,1772414405.0,1772415605.0,NULL,NULL,'officer-2',0,NULL,NULL,1772413200,1772415600,75.5,70.0,'dB(A)','laeq',1.0,'GB 12523-2025','laeq-day','S','U',1200,2,0,1772415600,0,0,'Clock Tower (north/tower, board fence-1): 74.0 dB(A), limit 70 dB(A). Day, 20 min LAeq, 2026-03-02 09:00 to 09:20, data capture 100 %. GB 12523-2025, laeq-day; limit verified: S (secondary source), averaging: U (unverified).
钟楼（north/tower，设备fence-1）：74.0 dB(A)，限值70 dB(A)。昼间20分钟等效声级，2026-03-02 09:00至09:20，有效数据率100 %。GB 12523-2025《建筑施工噪声排放标准》laeq-day；限值核实程度：S（二手来源），平均方式：U（未核实）。');
INSERT INTO "alert" VALUES(2,'limit','north','tower','fence-2','GB 12523-2025 laeq-day','firing','violation',1772415605.0,1772415605.0,NULL,NULL,NULL,NULL,0,NULL,NULL,1772413200,1772414400,71.0,70.0,'dB(A)','laeq',1.0,'GB 12523-2025','laeq-day','S','U',1200,1,0,1772414400,0,0,'Clock Tower (north/tower, board fence-2): 71.0 dB(A), limit 70 dB(A). Day, 20 min LAeq, 2026-03-02 09:00 to 09:20, data capture 100 %. GB 12523-2025, laeq-day; limit verified: S (secondary source), averaging: U (unverified).
钟楼（north/tower，设备fence-2）：71.0 dB(A)，限值70 dB(A)。昼间20分钟等效声级，2026-03-02 09:00至09:20，有效数据率100 %。GB 12523-2025《建筑施工噪声排放标准》laeq-day；限值核实程度：S（二手来源），平均方式：U（未核实）。');
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
INSERT INTO "alert_step" VALUES(1,1,1772414405.0,'hub','firing','Clock Tower (north/tower, board fence-1): 74.0 dB(A), limit 70 dB(A). Day, 20 min LAeq, 2026-03-02 09:00 to 09:20, data capture 100 %. GB 12523-2025, laeq-day; limit verified: S (secondary source), averaging: U (unverified).','钟楼（north/tower，设备fence-1）：74.0 dB(A)，限值70 dB(A)。昼间20分钟等效声级，2026-03-02 09:00至09:20，有效数据率100 %。GB 12523-2025《建筑施工噪声排放标准》laeq-day；限值核实程度：S（二手来源），平均方式：U（未核实）。','violation',0);
INSERT INTO "alert_step" VALUES(2,2,1772415605.0,'hub','firing','Clock Tower (north/tower, board fence-2): 71.0 dB(A), limit 70 dB(A). Day, 20 min LAeq, 2026-03-02 09:00 to 09:20, data capture 100 %. GB 12523-2025, laeq-day; limit verified: S (secondary source), averaging: U (unverified).','钟楼（north/tower，设备fence-2）：71.0 dB(A)，限值70 dB(A)。昼间20分钟等效声级，2026-03-02 09:00至09:20，有效数据率100 %。GB 12523-2025《建筑施工噪声排放标准》laeq-day；限值核实程度：S（二手来源），平均方式：U（未核实）。','violation',0);
INSERT INTO "alert_step" VALUES(3,1,1772415605.0,'officer-2','acknowledged','on my way','on my way','violation',0);
CREATE TABLE alert_window (       -- the judged windows on which an alert rests, as judged last
    alert INTEGER, start INTEGER,
    end INTEGER NOT NULL, revision INTEGER NOT NULL, outcome TEXT NOT NULL, value REAL, capture REAL,
    PRIMARY KEY (alert, start)
) WITHOUT ROWID;
INSERT INTO "alert_window" VALUES(1,1772413200,1772414400,1,'exceeded',74.0,1.0);
INSERT INTO "alert_window" VALUES(1,1772414400,1772415600,1,'exceeded',75.5,1.0);
INSERT INTO "alert_window" VALUES(2,1772413200,1772414400,1,'exceeded',71.0,1.0);
CREATE TABLE calibration (device TEXT PRIMARY KEY, due TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "calibration" VALUES('fence-1','2026-12-01');
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
CREATE TABLE kept (               -- valid values of days, of which those of months and years are made
    device TEXT, node TEXT, start INTEGER, value REAL NOT NULL,
    PRIMARY KEY (device, node, start)
) WITHOUT ROWID;
CREATE TABLE latest (
    device TEXT PRIMARY KEY,
    t INTEGER NOT NULL,           -- end of its latest record before which none is still to come
    heard REAL NOT NULL           -- when a record of it was last taken
, closed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
INSERT INTO "latest" VALUES('fence-1',1772415600,1772415605.0,1772415600);
CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    device TEXT NOT NULL,         -- empty: every board of the site
    begins REAL NOT NULL, ends REAL NOT NULL,
    reason TEXT NOT NULL,
    who TEXT NOT NULL, made REAL NOT NULL,
    removed_by TEXT, removed REAL -- a window that was taken back stays on record
);
INSERT INTO "maintenance" VALUES(1,'mill','stack-1',1772413200.0,1772416800.0,'calibration','officer-3',1772413200.0,NULL,NULL);
CREATE TABLE mark (               -- windows above a value where a number of such windows is permitted
    device TEXT, rule TEXT, start INTEGER, end INTEGER NOT NULL, value REAL NOT NULL, capture REAL NOT NULL,
    PRIMARY KEY (device, rule, start)
) WITHOUT ROWID;
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
INSERT INTO "notification" VALUES(1,1,1,'desk','sent',1,1772415605.0,0,1772415605.0,NULL,NULL);
INSERT INTO "notification" VALUES(2,2,2,'desk','waiting',0,1772415605.0,0,NULL,NULL,NULL);
CREATE TABLE notified (step INTEGER NOT NULL);
INSERT INTO "notified" VALUES(3);
CREATE TABLE pending (            -- windows of averagings that are to be judged
    device TEXT, node TEXT, start INTEGER, end INTEGER NOT NULL,
    PRIMARY KEY (device, node, start)
) WITHOUT ROWID;
CREATE TABLE position (offset INTEGER NOT NULL);
INSERT INTO "position" VALUES(42);
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT, start INTEGER, end INTEGER,
    outcome TEXT NOT NULL,        -- compliant, exceeded, invalid
    value REAL, limit_value REAL NOT NULL,
    valid_share REAL NOT NULL,
    revision INTEGER NOT NULL,    -- above 1: late data amended it
    judged REAL NOT NULL
, standard TEXT NOT NULL DEFAULT '', limit_id TEXT NOT NULL DEFAULT '', quantity TEXT NOT NULL DEFAULT '', unit TEXT NOT NULL DEFAULT '', verified TEXT NOT NULL DEFAULT '', binding TEXT NOT NULL DEFAULT 'binds', reason TEXT NOT NULL DEFAULT '', permitted INTEGER NOT NULL DEFAULT 0);
INSERT INTO "verdict" VALUES(1,'north','tower','fence-1','GB 12523-2025 laeq-day',1772413200,1772414400,'exceeded',74.0,70.0,1.0,1,1772414405.0,'GB 12523-2025','laeq-day','laeq','dB(A)','U','binds','',0);
CREATE TABLE watched (offset INTEGER NOT NULL);
INSERT INTO "watched" VALUES(41);
CREATE INDEX verdict_by_site ON verdict (site, start);
CREATE INDEX cell_by_end ON cell (end);
CREATE INDEX verdict_by_window ON verdict (device, rule, start);
CREATE UNIQUE INDEX alert_open ON alert (device, rule) WHERE state IN ('pending', 'firing', 'acknowledged');
CREATE INDEX alert_by_cause ON alert (device, rule, id);
CREATE INDEX alert_by_state ON alert (state);
CREATE INDEX alert_step_by_alert ON alert_step (alert, id);
CREATE TRIGGER alert_step_stays BEFORE UPDATE ON alert_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER alert_step_is_kept BEFORE DELETE ON alert_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE INDEX maintenance_by_site ON maintenance (site, ends);
CREATE TRIGGER access_step_stays BEFORE UPDATE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER access_step_is_kept BEFORE DELETE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE INDEX notification_waiting ON notification (recipient, due) WHERE state IN ('waiting', 'sending');
CREATE INDEX notification_sent ON notification (recipient, sent) WHERE sent IS NOT NULL;
COMMIT;
PRAGMA user_version = 3;
