"""The tables of alerts, their audit trail and maintenance in compliance.db."""

from hub.alerts.maintenance import TABLE as MAINTENANCE
from hub.storage.database import Part

STEPS = (
    """
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
"""
    + MAINTENANCE,
    """
ALTER TABLE alert ADD COLUMN instrument TEXT NOT NULL DEFAULT '';  -- class of what measured it; empty: not stated
ALTER TABLE alert ADD COLUMN uncertainty REAL;  -- of it at the limit, expanded (k = 2)
ALTER TABLE alert ADD COLUMN decision TEXT NOT NULL DEFAULT 'simple'
""",
    """
CREATE INDEX alert_step_of_people ON alert_step (time) WHERE who <> 'hub';
CREATE INDEX alert_step_by_who ON alert_step (who, time) WHERE who <> 'hub';
-- What waits for somebody, with all by which it is ordered, counted and chosen.
CREATE INDEX alert_waiting ON alert (state, severity, fired, opened, district, kind, acknowledged_by, site)
    WHERE state IN ('pending', 'firing', 'acknowledged', 'resolved');
CREATE INDEX alert_by_site ON alert (site);
CREATE INDEX alert_lasting ON alert (kind) WHERE state = 'closed' AND resolved IS NULL
""",
)
PART = Part("alerts", STEPS, before=1)
