"""The tables of cases.db. A history is only ever added to; a case is what its history says: the database sees to it."""

FILE = "cases.db"

STEPS = (
    """
CREATE TABLE casefile (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL,           -- JSON of the case (hub/cases/rules/records.py); the rest is what is looked for in it
    seq INTEGER NOT NULL,
    state TEXT NOT NULL, district TEXT NOT NULL, code TEXT NOT NULL, department TEXT NOT NULL,
    reported REAL NOT NULL, dispatched REAL, fed_back REAL, deadline REAL, updated REAL NOT NULL
);
CREATE INDEX casefile_by_state ON casefile (state, id);
CREATE INDEX casefile_by_code ON casefile (code, district, reported);
CREATE INDEX casefile_by_reported ON casefile (reported);
CREATE INDEX casefile_by_deadline ON casefile (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX casefile_by_dispatched ON casefile (dispatched) WHERE dispatched IS NOT NULL;
CREATE INDEX casefile_by_fed_back ON casefile (fed_back) WHERE fed_back IS NOT NULL;
CREATE INDEX casefile_by_updated ON casefile (updated);
CREATE TABLE casefile_event (     -- the history
    id INTEGER PRIMARY KEY,
    casefile INTEGER NOT NULL,
    seq INTEGER NOT NULL,         -- 1, 2, ... in each case
    time REAL NOT NULL,           -- Unix s
    who TEXT NOT NULL, position TEXT NOT NULL,
    what TEXT NOT NULL,
    before TEXT, after TEXT NOT NULL,  -- states
    text TEXT NOT NULL,
    data TEXT NOT NULL,           -- JSON
    joined INTEGER NOT NULL,      -- 1: supervision and command were one centre
    key TEXT NOT NULL, asked TEXT NOT NULL,
    UNIQUE (casefile, seq)
);
CREATE UNIQUE INDEX casefile_event_once ON casefile_event (who, key) WHERE key <> '';
CREATE TABLE casefile_alert (     -- which case is about an alert: one alert has one case
    alert INTEGER PRIMARY KEY,
    casefile INTEGER NOT NULL,
    noted INTEGER NOT NULL DEFAULT 0  -- 1: the alert's audit trail says so
);
CREATE TABLE calendar_edition (   -- the calendars by which deadlines were reckoned; the last one is in use
    id INTEGER PRIMARY KEY,
    edition TEXT NOT NULL,
    since REAL NOT NULL,          -- Unix s
    content TEXT NOT NULL         -- JSON
);
CREATE TRIGGER casefile_event_stays BEFORE UPDATE ON casefile_event
    BEGIN SELECT RAISE(ABORT, 'the history of a case is never changed'); END;
CREATE TRIGGER casefile_event_is_kept BEFORE DELETE ON casefile_event
    BEGIN SELECT RAISE(ABORT, 'the history of a case is never changed'); END;
CREATE TRIGGER casefile_event_goes_on BEFORE INSERT ON casefile_event
    WHEN EXISTS (SELECT 1 FROM casefile_event WHERE id = NEW.id)
        OR (NEW.key <> '' AND EXISTS (SELECT 1 FROM casefile_event WHERE who = NEW.who AND key = NEW.key))
        OR NEW.seq <> (SELECT ifnull(max(seq), 0) + 1 FROM casefile_event WHERE casefile = NEW.casefile)
        OR (NEW.before IS NULL) <> (NEW.seq = 1)
        OR (NEW.seq > 1 AND (NEW.before, 1) IS NOT (SELECT after, time <= NEW.time FROM casefile_event
            WHERE casefile = NEW.casefile AND seq = NEW.seq - 1))
    BEGIN SELECT RAISE(ABORT, 'the history of a case goes on from its last event'); END;
CREATE TRIGGER casefile_is_kept BEFORE DELETE ON casefile
    BEGIN SELECT RAISE(ABORT, 'a case is never removed'); END;
CREATE TRIGGER casefile_begins BEFORE INSERT ON casefile
    WHEN EXISTS (SELECT 1 FROM casefile WHERE id = NEW.id) OR (NEW.seq, NEW.state, 'report') IS NOT
        (SELECT seq, after, what FROM casefile_event WHERE casefile = NEW.id ORDER BY seq DESC LIMIT 1)
    BEGIN SELECT RAISE(ABORT, 'a case is what its history says'); END;
CREATE TRIGGER casefile_follows BEFORE UPDATE ON casefile
    WHEN NEW.id <> OLD.id OR NEW.seq <= OLD.seq OR (NEW.seq, NEW.state) IS NOT
        (SELECT seq, after FROM casefile_event WHERE casefile = OLD.id ORDER BY seq DESC LIMIT 1)
    BEGIN SELECT RAISE(ABORT, 'a case is what its history says'); END;
CREATE TRIGGER casefile_alert_once BEFORE INSERT ON casefile_alert
    WHEN EXISTS (SELECT 1 FROM casefile_alert WHERE alert = NEW.alert)
    BEGIN SELECT RAISE(ABORT, 'an alert stays with its case'); END;
CREATE TRIGGER casefile_alert_stays BEFORE UPDATE ON casefile_alert
    WHEN NEW.alert <> OLD.alert OR NEW.casefile <> OLD.casefile OR NEW.noted < OLD.noted
    BEGIN SELECT RAISE(ABORT, 'an alert stays with its case'); END;
CREATE TRIGGER casefile_alert_is_kept BEFORE DELETE ON casefile_alert
    BEGIN SELECT RAISE(ABORT, 'an alert stays with its case'); END;
CREATE TRIGGER calendar_edition_once BEFORE INSERT ON calendar_edition
    WHEN EXISTS (SELECT 1 FROM calendar_edition WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'an edition of the calendar is never changed'); END;
CREATE TRIGGER calendar_edition_stays BEFORE UPDATE ON calendar_edition
    BEGIN SELECT RAISE(ABORT, 'an edition of the calendar is never changed'); END;
CREATE TRIGGER calendar_edition_is_kept BEFORE DELETE ON calendar_edition
    BEGIN SELECT RAISE(ABORT, 'an edition of the calendar is never changed'); END
""",
    """
DROP TRIGGER casefile_follows;
ALTER TABLE casefile ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE casefile ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE casefile ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE casefile ADD COLUMN waits TEXT NOT NULL DEFAULT ''; -- for whose act: positions, with a space between
UPDATE casefile SET source = json_extract(body, '$.source'), site = json_extract(body, '$.site'),
    place = json_extract(body, '$.place'), waits = CASE state
        WHEN 'reported' THEN 'officer' WHEN 'verifying' THEN 'collector' WHEN 'filed' THEN 'dispatcher'
        WHEN 'dispatched' THEN iif(json_extract(body, '$.asked_extra') > 0, 'handler dispatcher', 'handler')
        WHEN 'handling' THEN iif(json_extract(body, '$.asked_extra') > 0, 'handler dispatcher', 'handler')
        WHEN 'fed_back' THEN 'officer'
        WHEN 'checking' THEN iif(json_extract(body, '$.checked') IS NULL, 'collector', 'officer')
        WHEN 'suspended' THEN 'dispatcher' WHEN 'appealed' THEN 'supervisor' ELSE '' END;
CREATE TRIGGER casefile_follows BEFORE UPDATE ON casefile
    WHEN NEW.id <> OLD.id OR NEW.seq <= OLD.seq OR (NEW.seq, NEW.state) IS NOT
        (SELECT seq, after FROM casefile_event WHERE casefile = OLD.id ORDER BY seq DESC LIMIT 1)
    BEGIN SELECT RAISE(ABORT, 'a case is what its history says'); END;
CREATE INDEX casefile_by_waits ON casefile (waits, deadline, district, department) WHERE waits <> '';
CREATE INDEX casefile_looked_through ON casefile -- all that lists are filtered and ordered by, without the bodies
    (district, state, code, department, source, deadline, reported, site, place)
""",
    """
-- What rates rest on, as a JSON array (`Counted`); empty: nothing has happened to the case since, so it is in the body.
ALTER TABLE casefile ADD COLUMN counted TEXT NOT NULL DEFAULT '';
CREATE INDEX casefile_by_id ON casefile (id) -- to skip many without reading them
""",
    """
CREATE TABLE plate (              -- what stands on the plates of shops: an address that nobody guesses
    code TEXT PRIMARY KEY,
    kind TEXT NOT NULL, thing TEXT NOT NULL,
    made REAL NOT NULL, who TEXT NOT NULL,   -- Unix s
    ended REAL, ended_by TEXT, why TEXT      -- exchanged for another one; null: it holds
);
CREATE UNIQUE INDEX plate_that_holds ON plate (kind, thing) WHERE ended IS NULL;
CREATE TABLE visit (              -- what collectors found on patrol
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, thing TEXT NOT NULL,
    time REAL NOT NULL,           -- when it was found, Unix s
    received REAL NOT NULL,       -- when it arrived: a phone keeps it until there is a network
    who TEXT NOT NULL,
    key TEXT NOT NULL,            -- made by the phone, so that it takes effect once
    body TEXT NOT NULL,           -- JSON of `hub.cases.patrol.visits.Seen`
    UNIQUE (who, key)
);
CREATE INDEX visit_of ON visit (kind, thing, time);
CREATE TABLE visit_finding (      -- the cases that its findings became, or are known by
    visit INTEGER NOT NULL, duty TEXT NOT NULL, casefile INTEGER NOT NULL,
    known INTEGER NOT NULL,       -- 1: the case was there already
    PRIMARY KEY (visit, duty)
) WITHOUT ROWID;
CREATE TRIGGER plate_changes_once BEFORE UPDATE ON plate
    WHEN OLD.ended IS NOT NULL OR NEW.ended IS NULL OR (NEW.code, NEW.kind, NEW.thing, NEW.made, NEW.who)
        <> (OLD.code, OLD.kind, OLD.thing, OLD.made, OLD.who)
    BEGIN SELECT RAISE(ABORT, 'a plate is exchanged, and otherwise never changed'); END;
CREATE TRIGGER plate_is_kept BEFORE DELETE ON plate
    BEGIN SELECT RAISE(ABORT, 'a plate is never removed'); END;
CREATE TRIGGER visit_stays BEFORE UPDATE ON visit
    BEGIN SELECT RAISE(ABORT, 'a visit is never changed'); END;
CREATE TRIGGER visit_is_kept BEFORE DELETE ON visit
    BEGIN SELECT RAISE(ABORT, 'a visit is never changed'); END;
CREATE TRIGGER visit_finding_stays BEFORE UPDATE ON visit_finding
    BEGIN SELECT RAISE(ABORT, 'a visit is never changed'); END;
CREATE TRIGGER visit_finding_is_kept BEFORE DELETE ON visit_finding
    BEGIN SELECT RAISE(ABORT, 'a visit is never changed'); END
""",
)
