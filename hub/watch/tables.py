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
)
PART = Part("watch", STEPS, before=1)
