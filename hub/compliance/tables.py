"""The tables of compliance.db that judging owns: verdicts, what is still to be judged, and how far in the log it is."""

from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY,
    district TEXT, site TEXT, device TEXT, rule TEXT, start INTEGER, end INTEGER,
    outcome TEXT NOT NULL,        -- compliant, exceeded, above_uncorrected, open, invalid
    value REAL, limit_value REAL NOT NULL,
    valid_share REAL NOT NULL,
    revision INTEGER NOT NULL,    -- above 1: late data amended it
    judged REAL NOT NULL,         -- when it was given, Unix s
    standard TEXT NOT NULL DEFAULT '',
    limit_id TEXT NOT NULL DEFAULT '',
    quantity TEXT NOT NULL DEFAULT '',
    unit TEXT NOT NULL DEFAULT '',
    verified TEXT NOT NULL DEFAULT '',  -- the weaker letter of value and averaging
    binding TEXT NOT NULL DEFAULT 'binds',  -- binds, informs
    reason TEXT NOT NULL DEFAULT '',  -- why it is invalid or open
    permitted INTEGER NOT NULL DEFAULT 0  -- 1: above the value, but that often it may be
);
CREATE INDEX verdict_by_site ON verdict (site, start);
CREATE INDEX verdict_by_window ON verdict (device, rule, start);
CREATE TABLE latest (
    device TEXT PRIMARY KEY,
    t INTEGER NOT NULL,           -- end of its latest record before which none is still to come
    heard REAL NOT NULL,          -- when a record of it was last taken
    closed INTEGER NOT NULL DEFAULT 0  -- windows that end up to here have been judged
) WITHOUT ROWID;
CREATE TABLE position (offset INTEGER NOT NULL);  -- in the log, up to which everything has been judged
INSERT INTO position VALUES (0);
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
) WITHOUT ROWID
""",
    """
ALTER TABLE verdict ADD COLUMN proof TEXT NOT NULL DEFAULT 'mac';  -- how well the origin of its readings is proven
CREATE TABLE origin (             -- the weakest proof of what a sender said of a day (UTC, since 1970), below "mac"
    device TEXT, day INTEGER, proof TEXT NOT NULL,
    PRIMARY KEY (device, day)
) WITHOUT ROWID
""",
    """
-- The limit's value may be unknown: it becomes a column that may be null.
ALTER TABLE verdict RENAME COLUMN limit_value TO limit_value_before;
ALTER TABLE verdict ADD COLUMN limit_value REAL;
UPDATE verdict SET limit_value = limit_value_before;
ALTER TABLE verdict DROP COLUMN limit_value_before;
ALTER TABLE verdict ADD COLUMN grade TEXT NOT NULL DEFAULT '';  -- violation, suspicion, or neither
UPDATE verdict SET grade = 'violation' WHERE outcome = 'exceeded' AND binding = 'binds';
ALTER TABLE verdict ADD COLUMN compared REAL;  -- what was compared: rounded, the background taken off
ALTER TABLE verdict ADD COLUMN background REAL;  -- the background that was known
ALTER TABLE verdict ADD COLUMN rounding TEXT NOT NULL DEFAULT '';  -- how well the rounding is known: P, S, U
ALTER TABLE verdict ADD COLUMN missing TEXT NOT NULL DEFAULT '';  -- what of the site or the limit is not known
ALTER TABLE verdict ADD COLUMN assumed TEXT NOT NULL DEFAULT '';  -- what nobody has said of the site
ALTER TABLE mark ADD COLUMN compared REAL NOT NULL DEFAULT 0;
UPDATE mark SET compared = value
""",
    """
ALTER TABLE verdict ADD COLUMN instrument TEXT NOT NULL DEFAULT '';  -- its class as stated; empty: not stated
ALTER TABLE verdict ADD COLUMN uncertainty REAL;  -- of it at the limit, expanded (k = 2)
ALTER TABLE verdict ADD COLUMN decision TEXT NOT NULL DEFAULT 'simple'
""",
    """
CREATE TABLE rule_position (      -- of the rules of packs that are no limits
    offset INTEGER NOT NULL,      -- in the log, up to which everything has been taken
    until INTEGER NOT NULL        -- up to when everything has been judged, Unix s
);
INSERT INTO rule_position VALUES (0, 0);
CREATE TABLE rule_subject (       -- whom rules watch
    kind TEXT, id TEXT,           -- of things, or site
    district TEXT NOT NULL, site TEXT NOT NULL,  -- where it was heard last
    since INTEGER NOT NULL,       -- from when on it is judged, Unix s
    heard REAL,                   -- when it was heard last; null: never
    pruned INTEGER NOT NULL DEFAULT 0,  -- what is older has been let go of, Unix s
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE rule_sample (        -- what was said of it, as long as late data can change what is judged by it
    kind TEXT, id TEXT, sample TEXT,  -- the identity in the log
    t INTEGER NOT NULL, site TEXT NOT NULL, proof TEXT NOT NULL,
    content BLOB NOT NULL,        -- MessagePack
    PRIMARY KEY (kind, id, sample)
) WITHOUT ROWID;
CREATE INDEX rule_sample_by_time ON rule_sample (kind, id, t);
CREATE TABLE rule_verdict (       -- only ever added to
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL, kind TEXT NOT NULL, in_force TEXT, citation TEXT NOT NULL, verified TEXT NOT NULL,
    subject_kind TEXT NOT NULL, subject TEXT NOT NULL,  -- kind of things, or site; and its id
    district TEXT NOT NULL, site TEXT NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL,
    outcome TEXT NOT NULL, grade TEXT NOT NULL, reason TEXT NOT NULL,
    value REAL, limit_value REAL, unit TEXT NOT NULL,
    evidence TEXT NOT NULL, samples INTEGER NOT NULL, editions TEXT NOT NULL,  -- JSON
    open INTEGER NOT NULL, revision INTEGER NOT NULL, amends INTEGER, judged REAL NOT NULL,
    proof TEXT NOT NULL           -- the weakest of its evidence
);
CREATE INDEX rule_verdict_by_subject ON rule_verdict (rule, subject_kind, subject, start);
CREATE TRIGGER rule_verdict_stays BEFORE UPDATE ON rule_verdict
    BEGIN SELECT RAISE(ABORT, 'a verdict is never changed'); END
""",
    """
CREATE INDEX verdict_by_outcome ON verdict (district, outcome)  -- of each the newest, as lists ask for them
""",
    """
ALTER TABLE rule_verdict ADD COLUMN lat REAL;  -- where its evidence lay last, degrees, WGS-84
ALTER TABLE rule_verdict ADD COLUMN lon REAL
""",
    """
ALTER TABLE verdict ADD COLUMN editions TEXT NOT NULL DEFAULT '[]';  -- JSON: of a permit that sets the limit
ALTER TABLE position ADD COLUMN things INTEGER NOT NULL DEFAULT 0;  -- newest edition of a thing that was gone by
""",
    """
CREATE TABLE emission_position (  -- of what is calculated of stacks
    offset INTEGER NOT NULL,      -- in the log, up to which everything has been taken
    things INTEGER NOT NULL       -- newest edition of a thing by which it was calculated
);
INSERT INTO emission_position VALUES (0, 0);
CREATE TABLE emission_record (    -- what was measured in stacks, as long as late data can change an hour
    device TEXT, t INTEGER,       -- start of the interval, Unix s
    content BLOB NOT NULL,        -- MessagePack, `hub.judge.stacks.cells.Record`
    PRIMARY KEY (device, t)
) WITHOUT ROWID;
CREATE TABLE emission_hour (      -- sums of each local hour by quantity and letter
    device TEXT, start INTEGER,   -- Unix s
    content BLOB NOT NULL,        -- MessagePack, `hub.judge.stacks.cells.Cells`
    reckoned INTEGER NOT NULL,    -- 1: the days hold what it comes to
    PRIMARY KEY (device, start)
) WITHOUT ROWID;
CREATE INDEX emission_hour_new ON emission_hour (start) WHERE reckoned = 0;
CREATE TABLE emission_day (       -- what hours of a pollutant come to on a local day, as far as they were over
    outlet TEXT, pollutant TEXT, start INTEGER, until INTEGER NOT NULL,  -- Unix s; up to when hours are counted
    hours INTEGER NOT NULL, stopped INTEGER NOT NULL,
    transmitted INTEGER NOT NULL, valid INTEGER NOT NULL,  -- of those in operation
    mean REAL,                    -- as compared, mg/m3; null: not valid
    measured_kg REAL NOT NULL,
    replaced_kg REAL NOT NULL,    -- stands for hours that were not measured
    missing INTEGER NOT NULL,     -- hours without a measured mass
    unknown INTEGER NOT NULL,     -- hours of these without any
    differs INTEGER NOT NULL,     -- hours in which the station's own conversion is not ours
    PRIMARY KEY (outlet, pollutant, start)
) WITHOUT ROWID
""",
    """
ALTER TABLE verdict ADD COLUMN marks TEXT NOT NULL DEFAULT '';  -- numbers of the marks in its window, with commas
CREATE TABLE marked (             -- what marks take out of what is measured, as windows were judged by it
    device TEXT, quantity TEXT, begin INTEGER, end INTEGER, mark INTEGER,
    state TEXT NOT NULL,          -- what the plant was doing: starting, stopping, stopped, or empty
    PRIMARY KEY (device, quantity, begin, end, mark)
) WITHOUT ROWID;
CREATE TABLE marked_position (    -- up to which events of marks, and editions of things, that was told
    event INTEGER NOT NULL, edition INTEGER NOT NULL
);
INSERT INTO marked_position VALUES (0, 0);
-- The event of marks up to which they are gone by.
ALTER TABLE emission_position ADD COLUMN marks INTEGER NOT NULL DEFAULT 0
""",
    """
CREATE INDEX rule_verdict_by_amended ON rule_verdict (rule, subject_kind, subject, amends) WHERE amends IS NOT NULL
""",
    """
ALTER TABLE emission_day ADD COLUMN digest INTEGER NOT NULL DEFAULT 0;  -- of all that is said of its hours
ALTER TABLE emission_day ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;   -- 1: it is being calculated again
CREATE TABLE emission_change (    -- local days of outlets by what was calculated of them last, for whoever tells of it
    outlet TEXT, start INTEGER,   -- Unix s
    number INTEGER NOT NULL,      -- of the change
    amended INTEGER NOT NULL,     -- of the newest that changed what was told before; 0: only hours were added
    PRIMARY KEY (outlet, start)
) WITHOUT ROWID;
CREATE INDEX emission_change_by_number ON emission_change (number);
INSERT INTO emission_change SELECT outlet, start, row_number() OVER (ORDER BY start, outlet), 0
    FROM (SELECT DISTINCT outlet, start FROM emission_day)
""",
    """
-- Up to when it was judged sooner than others, because it was heard without a hole, Unix s.
ALTER TABLE rule_subject ADD COLUMN judged INTEGER NOT NULL DEFAULT 0
""",
    """
-- What the newest verdicts that bind come to, of windows that begin on one day: whoever asks for a month of thousands
-- of boards need not read millions of verdicts. The database itself keeps it, whoever adds a verdict.
-- A day is one in China, whose law this is (since 1970, UTC+8); in other zones a month's edges are read one by one.
CREATE TABLE verdict_day (
    device TEXT, day INTEGER, rule TEXT, quantity TEXT, outcome TEXT, grade TEXT, reason TEXT,
    windows INTEGER NOT NULL,
    highest REAL,                 -- of what was compared
    times REAL NOT NULL,          -- the highest ratio of that to its limit; 0: there is none
    PRIMARY KEY (device, day, rule, quantity, outcome, grade, reason)
) WITHOUT ROWID;
-- One by one, in the order of an index: to sort a year of a city would take gigabytes on disk.
INSERT INTO verdict_day SELECT device, (start + 28800) / 86400, rule, quantity, outcome, grade, reason, 1, compared,
    ifnull(compared / nullif(limit_value, 0), 0)
    FROM (SELECT device, rule, start, quantity, outcome, grade, reason, compared, limit_value, binding, max(revision)
        FROM verdict WHERE device IS NOT NULL GROUP BY device, rule, start) WHERE binding = 'binds'
    ON CONFLICT DO UPDATE SET windows = windows + 1,
        highest = max(ifnull(highest, excluded.highest), ifnull(excluded.highest, highest)),
        times = max(times, excluded.times);
CREATE TRIGGER verdict_day_grows AFTER INSERT ON verdict
    WHEN NEW.binding = 'binds' AND NOT EXISTS (SELECT 1 FROM verdict
        WHERE device = NEW.device AND rule = NEW.rule AND start = NEW.start AND id <> NEW.id)
    BEGIN
        INSERT INTO verdict_day VALUES (NEW.device, (NEW.start + 28800) / 86400, NEW.rule, NEW.quantity, NEW.outcome,
            NEW.grade, NEW.reason, 1, NEW.compared, ifnull(NEW.compared / nullif(NEW.limit_value, 0), 0))
        ON CONFLICT DO UPDATE SET windows = windows + 1,
            highest = max(ifnull(highest, excluded.highest), ifnull(excluded.highest, highest)),
            times = max(times, excluded.times);
    END;
CREATE TRIGGER verdict_day_is_amended AFTER INSERT ON verdict
    WHEN EXISTS (SELECT 1 FROM verdict
        WHERE device = NEW.device AND rule = NEW.rule AND start = NEW.start AND id <> NEW.id)
    BEGIN
        DELETE FROM verdict_day WHERE device = NEW.device AND day = (NEW.start + 28800) / 86400 AND rule = NEW.rule;
        INSERT INTO verdict_day SELECT device, (start + 28800) / 86400, rule, quantity, outcome, grade, reason,
            count(*), max(compared), ifnull(max(compared / nullif(limit_value, 0)), 0)
            FROM (SELECT device, rule, start, quantity, outcome, grade, reason, compared, limit_value, binding,
                max(revision) FROM verdict WHERE device = NEW.device AND rule = NEW.rule
                AND start >= (NEW.start + 28800) / 86400 * 86400 - 28800
                AND start < (NEW.start + 28800) / 86400 * 86400 + 57600 GROUP BY start) WHERE binding = 'binds'
            GROUP BY 1, 2, 3, 4, 5, 6, 7;
    END
""",
)
PART = Part("compliance", STEPS, before=1)
