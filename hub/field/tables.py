"""The tables of field.db: what technicians did at boards."""

FILE = "field.db"
"""In the hub's data folder, so that a backup has it."""
STEPS = (
    """\
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    board TEXT NOT NULL,
    kind TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE, -- of the entry's content: sent again, it is known
    content TEXT NOT NULL,     -- JSON as the laptop sent it
    sender TEXT NOT NULL,      -- whose token brought it
    received REAL NOT NULL     -- Unix s
);
CREATE INDEX entry_of_board ON entry (board, kind);
""",
)
