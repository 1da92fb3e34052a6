"""The hub's own secret by which frames of badges are told apart that may not be kept.

What a badge says varies little: whoever has the log could find the position behind a plain digest by trying all that
there are. So the digest is keyed (HMAC), and the key lies in another file of the data folder than the log: it goes into
backups with it, into no answer of the hub and no case file.
"""

import secrets
from contextlib import closing
from pathlib import Path

from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import Part, transaction

LENGTH = 32
"""Bytes, as SHA-256 gives."""
STEPS = ("CREATE TABLE badge_secret (key BLOB NOT NULL)  -- one row; made when badges are listened to first",)
PART = Part("intake", STEPS)


def secret_of(data: Path) -> bytes:
    """Return the secret of the hub whose data are in a folder; it is made when there is none.

    A folder that has lost it gets another one: digests made by the old one stay as they are, and a frame that comes
    again is then not known to be one of them.
    """
    with closing(open_compliance(data / COMPLIANCE, PART)) as db, transaction(db):
        row = db.execute("SELECT key FROM badge_secret").fetchone()
        if row is None:
            row = (secrets.token_bytes(LENGTH),)
            db.execute("INSERT INTO badge_secret VALUES (?)", row)
        return bytes(row[0])
