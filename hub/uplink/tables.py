"""The tables of uplink.db: what has been measured of each interval, and who has to hear of it."""

FILE = "uplink.db"
STEPS = (
    """
CREATE TABLE total (              -- of one quantity in one interval, by letter: hub.series.periods.Sums
    device TEXT, kind TEXT, start INTEGER, quantity TEXT, letter TEXT,
    seconds REAL NOT NULL, total REAL NOT NULL, across REAL NOT NULL,
    highest REAL NOT NULL, lowest REAL NOT NULL, latest INTEGER,
    PRIMARY KEY (device, kind, start, quantity, letter)
) WITHOUT ROWID;
CREATE TABLE due (                -- an interval of which a platform is to hear
    platform TEXT, device TEXT, kind TEXT, start INTEGER,
    ready REAL NOT NULL,          -- it may be sent from then on, Unix s
    version INTEGER NOT NULL,     -- counts up when data come late
    told INTEGER NOT NULL,        -- the version that the platform has acknowledged; 0: none
    PRIMARY KEY (platform, device, kind, start)
) WITHOUT ROWID;
CREATE INDEX due_waiting ON due (platform, device, ready) WHERE version > told;
CREATE TABLE position (offset INTEGER NOT NULL);  -- in the log
INSERT INTO position VALUES (-1)
""",
)
