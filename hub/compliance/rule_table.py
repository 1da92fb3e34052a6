"""Verdicts of rules that are no limits, as they are kept: added by judging, never changed."""

import datetime as dt
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.judge.records import Cited, RuleVerdict, Sample
from hub.judge.windows import DAY
from hub.storage.rows import insert, select
from hub.wire.proof import PROOFS, Proof

Key = tuple[str, str, str]
"""Rule, kind and id of the subject."""
_sample = msgspec.msgpack.Decoder(Sample).decode


class KeptRuling(msgspec.Struct, kw_only=True):
    """A row of the table; the fields that `RuleVerdict` has, too, mean what they mean there. Times are Unix s."""

    id: int = 0
    rule: str
    kind: str
    in_force: str | None
    citation: str
    verified: str
    subject_kind: str
    """A kind of things, or site."""
    subject: str
    district: str
    """Where the subject was heard last, as `site`; empty: nowhere yet."""
    site: str
    start: int
    end: int
    outcome: str
    grade: str
    reason: str
    value: float | None
    limit_value: float | None
    unit: str
    evidence: str
    """JSON, as `editions`."""
    samples: int
    editions: str
    open: bool
    revision: int
    amends: int | None
    judged: float
    proof: Proof
    """The weakest of its evidence."""
    lat: float | None = None
    lon: float | None = None

    def verdict(self) -> RuleVerdict:
        """Return what was said."""
        values: dict[str, Any] = {name: getattr(self, name) for name in RuleVerdict.__struct_fields__}
        values["in_force"] = None if self.in_force is None else dt.date.fromisoformat(self.in_force)
        values["evidence"] = tuple(msgspec.json.decode(self.evidence, type=list[str]))
        values["editions"] = tuple(msgspec.json.decode(self.editions, type=list[Cited]))
        return msgspec.convert(values, RuleVerdict)


class RuleTable:
    """The verdicts in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, one: RuleVerdict, subject_kind: str, district: str, site: str) -> KeptRuling:
        """Keep a verdict."""
        said = {name: getattr(one, name) for name in one.__struct_fields__}
        said["in_force"] = one.in_force.isoformat() if one.in_force else None
        said["evidence"] = msgspec.json.encode(one.evidence).decode()
        said["editions"] = msgspec.json.encode(one.editions).decode()
        proof = self._proof(subject_kind, one)
        kept = KeptRuling(**said, subject_kind=subject_kind, district=district, site=site, proof=proof)
        kept.id = insert(self._db, "INSERT INTO rule_verdict", kept)
        return kept

    def _proof(self, subject_kind: str, one: RuleVerdict) -> Proof:
        rows = self._db.execute(
            "SELECT DISTINCT proof FROM rule_sample WHERE kind = ? AND id = ? "
            "AND sample IN (SELECT value FROM json_each(?))",
            (subject_kind, one.subject, msgspec.json.encode(one.evidence).decode()),
        )
        found: list[Proof] = [proof for (proof,) in rows]
        return max(found, key=PROOFS.index, default="none" if one.evidence else "mac")

    def said(self, key: Key) -> tuple[list[RuleVerdict], dict[int, int]]:
        """Return what holds of all that was said of a subject by a rule, and the highest revision by start."""
        revisions: dict[int, int] = {}
        rest = "FROM rule_verdict WHERE rule = ? AND subject_kind = ? AND subject = ? ORDER BY id"
        rows = select(self._db, KeptRuling, rest, *key)
        for row in rows:
            revisions[row.start] = max(row.revision, revisions.get(row.start, 0))
        return [row.verdict() for row in _held(rows)], revisions

    def between(self, key: Key, since: float, until: float) -> list[KeptRuling]:
        """Return what holds of what was said of a subject by a rule, and lies at least in part between two moments.

        What began more than a day before is left out.
        """
        rest = (
            "FROM rule_verdict WHERE rule = ? AND subject_kind = ? AND subject = ? AND start >= ? AND start < ? "
            # What ended before counts where it stands in place of another.
            "AND (end > ? OR amends IS NOT NULL) ORDER BY id"
        )
        rows = select(self._db, KeptRuling, rest, *key, since - DAY, until, since)
        return [row for row in _held(rows) if row.end > since]

    def last(self) -> int:
        """Return the number of the newest verdict, 0 when there is none."""
        return int(self._db.execute("SELECT ifnull(max(id), 0) FROM rule_verdict").fetchone()[0])

    def after(self, id_: int, most: int) -> list[KeptRuling]:
        """Return the verdicts behind a number, at most `most`, in the order in which they were given."""
        return select(self._db, KeptRuling, "FROM rule_verdict WHERE id > ? ORDER BY id LIMIT ?", id_, most)

    def holding(self, key: Key, start: int) -> KeptRuling | None:
        """Return the verdict that begins at a moment and holds: the verdicts of one judging take effect together."""
        found = select(
            self._db,
            KeptRuling,
            "FROM rule_verdict AS one WHERE rule = ? AND subject_kind = ? AND subject = ? AND start = ? "
            "AND reason != 'withdrawn' AND NOT EXISTS (SELECT 1 FROM rule_verdict AS other WHERE "
            "other.rule = one.rule AND other.subject_kind = one.subject_kind AND other.subject = one.subject "
            "AND other.amends = one.start AND other.judged > one.judged) ORDER BY id DESC LIMIT 1",
            *key,
            start,
        )
        return found[0] if found else None

    def breaches(self, rule: str, since: int) -> list[RuleVerdict]:
        """Return the breaches of a rule that hold, of whomever, and that begin at a moment or later."""
        rows = self._db.execute("SELECT DISTINCT subject_kind, subject FROM rule_verdict WHERE rule = ?", (rule,))
        held = [one for kind, subject in rows.fetchall() for one in self.said((rule, kind, subject))[0]]
        return [one for one in held if one.outcome == "exceeded" and one.start >= since]

    def search(
        self, *, tests: Sequence[tuple[str, object]], before: int | None = None, limit: int = 100
    ) -> list[KeptRuling]:
        """Return verdicts, the newest first: at most `limit`, with numbers below `before`.

        `tests`: a comparison with a column, such as "site = ?", and its value.
        """
        asked = [*tests, *([("id < ?", before)] if before is not None else [])]
        where = " AND ".join(test for test, _ in asked) or "1"
        values = [value for _, value in asked]
        return select(self._db, KeptRuling, f"FROM rule_verdict WHERE {where} ORDER BY id DESC LIMIT ?", *values, limit)


class Heard(NamedTuple):
    """Somebody whom rules watch and of whom something was heard."""

    kind: str
    id: str
    district: str
    """Where it was heard last, as `site`."""
    site: str
    heard: float
    """Unix s."""


class Samples:
    """What was said of those whom rules watch, as far back as it is kept for judging, in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def state(self) -> tuple[int, float, float]:
        """Return what is something else when something was heard of anybody."""
        row = self._db.execute("SELECT count(heard), total(heard), ifnull(max(heard), 0) FROM rule_subject").fetchone()
        return int(row[0]), float(row[1]), float(row[2])

    def heard(self, kind: str = "", id_: str = "") -> list[Heard]:
        """Return those of whom something was heard: all, those of a kind, or one."""
        asked = {"kind": kind, "id": id_}
        tests = "".join(f" AND {name} = :{name}" for name, value in asked.items() if value)
        sql = f"SELECT kind, id, district, site, heard FROM rule_subject WHERE heard IS NOT NULL{tests} ORDER BY 1, 2"  # noqa: S608
        return list(map(Heard._make, self._db.execute(sql, asked)))

    def kept_from(self, kind: str, id_: str) -> int:
        """Return from when on samples of a subject are kept here, Unix s; what is older, the log has."""
        row = self._db.execute("SELECT pruned FROM rule_subject WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
        return int(row[0]) if row else 0

    def newest(self, kind: str, id_: str) -> Iterator[Sample]:
        """Go through the samples of a subject, the newest first."""
        rows = self._db.execute(
            "SELECT content FROM rule_sample WHERE kind = ? AND id = ? ORDER BY t DESC", (kind, id_)
        )
        return (_sample(content) for (content,) in rows)

    def between(self, kind: str, id_: str, since: float, until: float, most: int) -> list[Sample]:
        """Return the samples of a subject in `since` <= t < `until` (Unix s) in their order, at most `most`."""
        rows = self._db.execute(
            "SELECT content FROM rule_sample WHERE kind = ? AND id = ? AND t >= ? AND t < ? ORDER BY t LIMIT ?",
            (kind, id_, since, until, most),
        )
        return [_sample(content) for (content,) in rows]


def _held(rows: Iterable[KeptRuling]) -> list[KeptRuling]:
    """Return what holds of the verdicts on one subject by one rule; they come in the order in which they were given."""
    held: list[KeptRuling] = []
    together: dict[float, list[KeptRuling]] = {}
    for row in rows:
        together.setdefault(row.judged, []).append(row)
    for given in together.values():  # the verdicts of one judging take effect together
        for one in given:
            before = next((old for old in held if old.start == one.amends), None)
            if before is not None:
                held.remove(before)
        held += [one for one in given if one.reason != "withdrawn"]
    return held


def unheard(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return kind, id and district of those whom rules watch and of whom nothing was ever heard."""
    return db.execute("SELECT kind, id, district FROM rule_subject WHERE heard IS NULL ORDER BY 1, 2").fetchall()
