"""The tables of users, of who let them in, and of their browsers, in compliance.db."""

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
    what TEXT NOT NULL,           -- added, revoked, and what else hub/access/tokens.py names (`Act`)
    name TEXT NOT NULL, role TEXT NOT NULL
);
CREATE TRIGGER access_step_stays BEFORE UPDATE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER access_step_is_kept BEFORE DELETE ON access_step
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END
""",
    """
ALTER TABLE access ADD COLUMN districts TEXT NOT NULL DEFAULT '';  -- ids of what the user sees, with commas; empty: all
ALTER TABLE access ADD COLUMN passphrase TEXT;  -- its Argon2id hash; null: the user has set none
CREATE TABLE sign_in_link (       -- one-time links that nobody has used yet
    hash TEXT PRIMARY KEY,        -- SHA-256 of the link's secret
    name TEXT NOT NULL, ends REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE session (            -- browsers that are signed in
    hash TEXT PRIMARY KEY,        -- SHA-256 of the cookie's secret
    name TEXT NOT NULL,
    made REAL NOT NULL,
    seen REAL NOT NULL            -- to the minute
) WITHOUT ROWID;
CREATE INDEX session_by_name ON session (name);
CREATE TABLE known_browser (      -- in which a user was signed in: strangers' guesses do not slow it down
    hash TEXT PRIMARY KEY, name TEXT NOT NULL
) WITHOUT ROWID
""",
    """
ALTER TABLE access_step ADD COLUMN districts TEXT NOT NULL DEFAULT '';  -- of the user then, as in access
CREATE INDEX access_step_of ON access_step (name, id);
CREATE INDEX access_step_by_time ON access_step (time, id);
CREATE INDEX access_step_by_who ON access_step (who, time, id);
CREATE TABLE second_factor (      -- the secret must be known to check a code; only the hub's user can read the file
    name TEXT PRIMARY KEY,
    secret TEXT NOT NULL,         -- 160 random bits in base32, as the phone has it
    confirmed REAL,               -- when the phone's first code was right; null: it is asked for from then on
    used INTEGER NOT NULL         -- number of the 30 s of the newest code that was taken: none is taken twice
) WITHOUT ROWID;
CREATE TABLE recovery_code (      -- in place of the phone, each once
    hash TEXT PRIMARY KEY,        -- SHA-256 of 80 random bits
    name TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE half_sign_in (       -- whose passphrase or link was right, and who has not given a code yet
    hash TEXT PRIMARY KEY,        -- SHA-256 of a secret that stands in the form for the code
    name TEXT NOT NULL, ends REAL NOT NULL,
    tries INTEGER NOT NULL
) WITHOUT ROWID
""",
    """
CREATE TABLE identity (           -- which account of the city's own sign-on is which user
    issuer TEXT NOT NULL,         -- the sign-on, as its tokens name it
    subject TEXT NOT NULL,        -- the account, which the sign-on never gives to somebody else
    name TEXT NOT NULL,
    PRIMARY KEY (issuer, subject), UNIQUE (issuer, name)
) WITHOUT ROWID
""",
    """
-- The id of the enterprise of a user of the role company; of a step, of the user then.
ALTER TABLE access ADD COLUMN company TEXT NOT NULL DEFAULT '';
ALTER TABLE access_step ADD COLUMN company TEXT NOT NULL DEFAULT ''
""",
)
PART = Part("access", STEPS, before=1)
