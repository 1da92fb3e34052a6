"""The tables of the watch over the network in compliance.db."""

from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE calibration (device TEXT PRIMARY KEY, due TEXT NOT NULL) WITHOUT ROWID;  -- as the boards said
CREATE TABLE watched (offset INTEGER NOT NULL);  -- the log's offset up to which the network has been watched
INSERT INTO watched VALUES (-1)
""",
    """
CREATE TABLE instrument (  -- of a station, as it said last
    device TEXT NOT NULL, code TEXT NOT NULL, serial TEXT NOT NULL, PRIMARY KEY (device, code)
) WITHOUT ROWID
""",
    """
CREATE TABLE called (   -- up to where calls for help have been told of
    offset INTEGER NOT NULL,  -- of the log; -1: not begun
    refused INTEGER NOT NULL, -- the newest message in quarantine that was looked at, and when it was received, Unix s
    at REAL NOT NULL
);
INSERT INTO called SELECT offset, 0, 0 FROM watched
""",
)
PART = Part("watch", STEPS, before=1)
