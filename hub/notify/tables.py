"""The tables of notifications in compliance.db."""

from hub.storage.database import Part

STEPS = (
    """
CREATE TABLE notification (
    id INTEGER PRIMARY KEY,
    alert INTEGER NOT NULL, step INTEGER NOT NULL, recipient TEXT NOT NULL,
    state TEXT NOT NULL,          -- waiting, sending, sent, unknown (a crash while it was sent, twice), dropped
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,            -- not to be sent before
    repeated INTEGER NOT NULL DEFAULT 0,  -- whether it was sent was left open 1: by a crash, 2: by a lost answer;
                                          -- it was sent again, and said so
    sent REAL,
    digest INTEGER,               -- the first notification of the digest with which it was sent
    error TEXT,                   -- of the last attempt
    UNIQUE (alert, step, recipient)
);
CREATE INDEX notification_waiting ON notification (recipient, due) WHERE state IN ('waiting', 'sending');
CREATE INDEX notification_sent ON notification (recipient, sent) WHERE sent IS NOT NULL;
CREATE TABLE notified (step INTEGER NOT NULL);  -- the newest step for which recipients have been chosen
INSERT INTO notified VALUES (0)
""",
    """
CREATE TABLE refusal (            -- of notifications that are refused for a reason that only a person can mend
    notification INTEGER PRIMARY KEY,
    since REAL NOT NULL           -- Unix s; after a day its state is refused: nobody tries it any more by itself
);
CREATE INDEX notification_refused ON notification (recipient) WHERE state = 'refused'
""",
    """
CREATE INDEX notification_by_state ON notification (recipient, state);
CREATE TABLE channel_test (       -- test messages: who had one sent to whom, and what came back; only ever added to
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    recipient TEXT NOT NULL,
    what TEXT NOT NULL,           -- asked, taken, refused
    detail TEXT NOT NULL          -- why it was not taken
);
CREATE TRIGGER channel_test_stays BEFORE UPDATE ON channel_test
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER channel_test_is_kept BEFORE DELETE ON channel_test
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END
""",
    """
CREATE TABLE told (               -- as notification was, for more than alerts
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL DEFAULT 'alert',  -- alert, case: what `alert` is the number of, and `step` a step of
    alert INTEGER NOT NULL, step INTEGER NOT NULL, recipient TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    repeated INTEGER NOT NULL DEFAULT 0,
    sent REAL,
    digest INTEGER,
    error TEXT,
    UNIQUE (subject, alert, step, recipient)
);
INSERT INTO told (id, alert, step, recipient, state, attempts, due, repeated, sent, digest, error)
    SELECT id, alert, step, recipient, state, attempts, due, repeated, sent, digest, error FROM notification;
DROP TABLE notification;
ALTER TABLE told RENAME TO notification;
CREATE INDEX notification_waiting ON notification (recipient, due) WHERE state IN ('waiting', 'sending');
CREATE INDEX notification_sent ON notification (recipient, sent) WHERE sent IS NOT NULL;
CREATE INDEX notification_refused ON notification (recipient) WHERE state = 'refused';
CREATE INDEX notification_by_state ON notification (recipient, state);
-- The newest step of a case for which recipients have been chosen; -1: never yet.
ALTER TABLE notified ADD COLUMN case_step INTEGER NOT NULL DEFAULT -1
""",
)
PART = Part("notify", STEPS, before=1)
