"""The tables of things in compliance.db: an edition is added and never changed, so a verdict can cite it for ever."""

from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE thing_edition (
    serial INTEGER PRIMARY KEY,   -- the order in which they were made
    kind TEXT NOT NULL, id TEXT NOT NULL,
    number INTEGER NOT NULL,      -- counts up from 1 for each thing
    valid_from INTEGER,           -- Unix s; null: always. One more edition from the same moment corrects it
    valid_until INTEGER,          -- the first moment at which it holds no more; null: none
    withdrawn INTEGER NOT NULL,   -- 1: nothing begins at this moment, the editions before were a mistake
    content TEXT NOT NULL,        -- JSON: names, district, properties, people, note
    geometry TEXT,                -- GeoJSON, WGS-84
    made REAL NOT NULL,           -- Unix s
    who TEXT NOT NULL,            -- a user of the hub's machine
    source TEXT NOT NULL,         -- the file that it came from
    UNIQUE (kind, id, number)
);
CREATE TRIGGER thing_edition_stays BEFORE UPDATE ON thing_edition
    BEGIN SELECT RAISE(ABORT, 'an edition is never changed'); END;
CREATE TRIGGER thing_edition_is_kept BEFORE DELETE ON thing_edition
    BEGIN SELECT RAISE(ABORT, 'an edition is never changed'); END
""",
)
PART = Part("things", STEPS)
