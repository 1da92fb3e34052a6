"""The table of marks in compliance.db: what was logged stays as it was logged, and when."""

from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE mark_event (
    id INTEGER PRIMARY KEY,       -- the order in which they were logged
    mark INTEGER NOT NULL,        -- the number of the mark: that of its first event
    what TEXT NOT NULL CHECK (what IN ('mark', 'proof', 'end', 'withdraw', 'accept', 'reject')),
    logged REAL NOT NULL,         -- by the hub's clock, Unix s
    who TEXT NOT NULL,
    text TEXT NOT NULL,           -- why, as it was written
    data TEXT NOT NULL            -- JSON: what else it says (hub/things/marks/records.py)
);
CREATE INDEX mark_event_of ON mark_event (mark, id);
CREATE TRIGGER mark_event_is_not_back_dated BEFORE INSERT ON mark_event
    WHEN NEW.logged < (SELECT logged FROM mark_event ORDER BY id DESC LIMIT 1)
        OR NEW.id <= (SELECT max(id) FROM mark_event)
    BEGIN SELECT RAISE(ABORT, 'nothing is logged before what was logged already'); END;
CREATE TRIGGER mark_event_stays BEFORE UPDATE ON mark_event
    BEGIN SELECT RAISE(ABORT, 'what was logged is never changed'); END;
CREATE TRIGGER mark_event_is_kept BEFORE DELETE ON mark_event
    BEGIN SELECT RAISE(ABORT, 'what was logged is never removed'); END
""",
)
PART = Part("marks", STEPS)
