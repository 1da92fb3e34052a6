"""The table of attachments.db. Its rows are evidence: they are only ever added.

A database and no folder of files: a file that is half written is not there, and backup, restore and check know it.
"""

FILE = "attachments.db"

STEPS = (
    """
CREATE TABLE attachment (
    sha256 TEXT PRIMARY KEY,      -- of the content, hexadecimal
    media TEXT NOT NULL,          -- image/jpeg, image/png, image/webp or application/pdf, by the content
    size INTEGER NOT NULL,        -- of the content, bytes
    stored INTEGER NOT NULL,      -- of content and what is shown together, bytes
    content BLOB NOT NULL,        -- verbatim, with all that a camera wrote into it
    shown BLOB                    -- a smaller JPEG without any of that; NULL of a document
);
CREATE INDEX attachment_by_stored ON attachment (stored);
CREATE TRIGGER attachment_once BEFORE INSERT ON attachment
    WHEN EXISTS (SELECT 1 FROM attachment WHERE sha256 = NEW.sha256)
    BEGIN SELECT RAISE(ABORT, 'an attachment is never changed'); END;
CREATE TRIGGER attachment_stays BEFORE UPDATE ON attachment
    BEGIN SELECT RAISE(ABORT, 'an attachment is never changed'); END;
CREATE TRIGGER attachment_is_kept BEFORE DELETE ON attachment
    BEGIN SELECT RAISE(ABORT, 'an attachment is never removed'); END
""",
)
