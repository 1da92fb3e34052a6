"""The tables of users, and of who let them in, in compliance.db."""

from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE access (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,           -- viewer, officer, admin
    hash TEXT NOT NULL,           -- SHA-256 of the token's secret, hexadecimal; the token itself is nowhere
    made REAL NOT NULL, revoked REAL
) WITHOUT ROWID;
CREATE TABLE access_step (        -- who let whom in, and whose access was revoked: only ever added to
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    who TEXT NOT NULL,            -- a user of the hub's machine
    what TEXT NOT NULL,           -- added, revoked
    name TEXT NOT NULL, role TEXT NOT NULL
);
CREATE TRIGGER access_step_stays BEFORE UPDATE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER access_step_is_kept BEFORE DELETE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END
""",
)
PART = Part("access", STEPS, before=1)
