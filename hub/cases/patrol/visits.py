"""What collectors found on patrol: duty by duty; what fails becomes a case, or is known as one already.

A phone sends a visit when it has a network, perhaps more than once, under a key that it made. So all that comes of a
visit is done under keys made of that: a hub that was killed half way, or an answer that never arrived, and the visit
that comes again finds what was done, does the rest, and is answered the same. The visit itself is kept last.
"""

import json
import re
import sqlite3
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, get_args

import msgspec

from hub.cases.attachments.store import attach, keep
from hub.cases.desk import CaseDesk
from hub.cases.refusal import CaseError, as_written, wrong
from hub.cases.rules.records import Case
from hub.config.files import Config
from hub.storage.database import transaction
from hub.storage.rows import select, select_one
from schemas.domains.entries import Patrol
from schemas.language import Text

Answer = Literal["pass", "fail", "na"]
"""Of a duty: kept, broken, or it does not apply."""
ANSWERS = get_args(Answer)
KEY = re.compile(r"[A-Za-z0-9-]{8,40}")
AHEAD, LATE = 300.0, 7 * 86_400.0
"""A phone's clock is believed within these [s]: so far ahead of the hub's, and so far behind."""


class Place(NamedTuple):
    """What a collector stands before."""

    kind: str
    id: str
    district: str
    words: str
    """Where it is, as people say it."""
    lat: float | None
    """WGS-84, degrees."""
    lon: float | None

    @property
    def about(self) -> str:
        """How a case names it."""
        return f"{self.kind}/{self.id}"


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found."""

    answers: Mapping[str, Answer]
    """By duty; each of the kind's duties."""
    codes: Mapping[str, str] = {}
    """Of each duty that is broken: the class of events."""
    text: str = ""
    photo: str = ""
    """SHA-256 of the photograph; empty: there is none."""


class Photo(NamedTuple):
    """A picture as it was sent."""

    name: str
    content: bytes


class KeptVisit(msgspec.Struct, frozen=True):
    """A visit as it is kept."""

    id: int
    kind: str
    thing: str
    time: float
    """When it was found, Unix s."""
    received: float
    who: str
    key: str
    body: str

    @property
    def seen(self) -> Seen:
        """What was found."""
        return msgspec.json.decode(self.body, type=Seen)


class Finding(NamedTuple):
    """What became of a duty that was broken."""

    duty: str
    case: int
    known: bool
    """It was reported already, and is not over."""


class Visits:
    """The visits in the database of cases behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, id_: int) -> KeptVisit | None:
        """Return a visit by its number."""
        return select_one(self._db, KeptVisit, "FROM visit WHERE id = ?", id_)

    def under(self, who: str, key: str) -> KeptVisit | None:
        """Return the visit that somebody has sent under a key."""
        return select_one(self._db, KeptVisit, "FROM visit WHERE who = ? AND key = ?", who, key)

    def of(self, kind: str, thing: str, most: int) -> list[KeptVisit]:
        """Return the newest visits to a thing."""
        rest = "FROM visit WHERE kind = ? AND thing = ? ORDER BY time DESC, id DESC LIMIT ?"
        return select(self._db, KeptVisit, rest, kind, thing, most)

    def since(self, kind: str, things: Collection[str], since: float) -> dict[str, list[Seen]]:
        """Return what was found at these things since a moment, Unix s."""
        found: dict[str, list[Seen]] = {}
        rest = "FROM visit WHERE kind = ? AND thing IN (SELECT value FROM json_each(?)) AND time >= ? ORDER BY id"
        for one in select(self._db, KeptVisit, rest, kind, json.dumps(list(things)), since):
            found.setdefault(one.thing, []).append(one.seen)
        return found

    def last(self, kind: str, things: Collection[str]) -> dict[str, float]:
        """Return when each of these things was visited last, Unix s; one that never was is left out."""
        rows = self._db.execute(
            "SELECT value, (SELECT max(time) FROM visit WHERE kind = ? AND thing = value) FROM json_each(?)",
            (kind, json.dumps(list(things))),
        )
        return {thing: time for thing, time in rows if time is not None}

    def cases_of(self, kind: str, thing: str, since: float) -> list[int]:
        """Return the cases that visits to a thing led to since a moment, Unix s; the newest first."""
        rows = self._db.execute(
            "SELECT DISTINCT casefile FROM visit v JOIN visit_finding f ON f.visit = v.id "
            "WHERE v.kind = ? AND v.thing = ? AND v.time >= ? ORDER BY casefile DESC",
            (kind, thing, since),
        )
        return [id_ for (id_,) in rows]

    def photos(self) -> set[str]:
        """Return the SHA-256 of all photographs that visits name."""
        rows = self._db.execute("SELECT DISTINCT json_extract(body, '$.photo') FROM visit")
        return {sha256 for (sha256,) in rows if sha256}

    def findings(self, visit: int) -> list[Finding]:
        """Return what became of what was broken."""
        rows = self._db.execute("SELECT duty, casefile, known FROM visit_finding WHERE visit = ?", (visit,))
        return [Finding(duty, case, bool(known)) for duty, case, known in rows]

    def add(self, place: Place, time: float, now: float, who: str, key: str, seen: Seen, found: list[Finding]) -> int:
        """Keep a visit; return its number. Call it in a transaction."""
        values = (place.kind, place.id, time, now, who, key, msgspec.json.encode(seen).decode())
        sql = "INSERT INTO visit (kind, thing, time, received, who, key, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        id_ = self._db.execute(sql, values).lastrowid
        assert id_ is not None
        rows = [(id_, one.duty, one.case, one.known) for one in found]
        self._db.executemany("INSERT INTO visit_finding (visit, duty, casefile, known) VALUES (?, ?, ?, ?)", rows)
        return id_


def take(
    desk: CaseDesk,
    config: Config,
    patrol: Patrol,
    place: Place,
    form: Mapping[str, str],
    photo: Photo | None,
    now: float,
) -> KeptVisit:
    """Take a visit, once: what comes again under its key is answered with what came of it first.

    Args:
        desk: the cases, as the collector sees them.
        config: the hub's, for how large a photograph may be.
        patrol: what is looked at.
        place: where.
        form: `key`, `time` (Unix s, by the phone), `text`, and for each duty `answer-DUTY` and `code-DUTY`.
        photo: the picture; None: none was made.
        now: the hub's time, Unix s.

    Raises:
        CaseError: a part is missing or wrong, or the user makes no patrols.
    """
    user, visits = desk.user, Visits(desk.book.db)
    if user.role not in ("collector", "admin"):
        text = Text(f"{user.name} is {user.role}; a patrol needs the role collector", "仅采集员可以上报巡查结果")
        raise CaseError("act", text, 403)
    key = form.get("key", "")
    if not KEY.fullmatch(key):
        raise wrong("key", "the form has no key; open the page again", "表单缺少标识，请重新打开页面")
    if (known := visits.under(user.name, key)) is not None:
        if (known.kind, known.thing) != (place.kind, place.id):
            raise wrong("key", "this key belongs to another visit; open the page again", "标识重复，请重新打开页面")
        return known
    seen = _read(desk, patrol, place, form)
    if photo is not None:
        seen = msgspec.structs.replace(seen, photo=_keep(config, photo))
    found = [_become(desk, patrol, place, seen, duty, key, now) for duty, code in seen.codes.items() if code]
    for one in found:
        _add_photo(desk, config, one, seen, photo, key)
    with transaction(desk.book.db):
        known = visits.under(user.name, key)  # the same one may have come twice at once
        if known is None:
            visits.add(place, _time(form.get("time", ""), now), now, user.name, key, seen, found)
    kept = visits.under(user.name, key)
    assert kept is not None, "it was kept"
    return kept


def already(desk: CaseDesk, place: Place, code: str, now: float) -> Case | None:
    """Return the case about this very thing and class that is not over, and was reported of late."""
    since = now - desk.rules.similar.days * 86_400
    found = [desk.book.find(one) for one in Visits(desk.book.db).cases_of(place.kind, place.id, since)]
    # A hub that was killed has cases of which no visit tells yet.
    alike = [*found, *desk.book.alike(code, place.district, since)]
    return next((one for one in alike if one and (one.about, one.code) == (place.about, code) and one.is_open), None)


def _read(desk: CaseDesk, patrol: Patrol, place: Place, form: Mapping[str, str]) -> Seen:
    answers: dict[str, Answer] = {}
    codes: dict[str, str] = {}
    for duty, asked in patrol.duty.items():
        said = form.get(f"answer-{duty}", "")
        answer = next((one for one in ANSWERS if one == said), None)
        if answer is None:
            raise wrong("answer", f"{asked.en}: choose pass, fail or not applicable", f"{asked.zh}：请选择检查结果")
        answers[duty] = answer
        if answer != "fail":
            continue
        code = form.get(f"code-{duty}", "") or asked.codes[0]
        if code not in asked.codes or desk.rules.code(code, place.district) is None:
            raise wrong("code", f"{asked.en}: {code!r}: choose what was found", f"{asked.zh}：请选择问题类别")
        codes[duty] = code
    return Seen(answers, codes, as_written(form.get("text", "").replace("\r\n", "\n")))


def _become(desk: CaseDesk, patrol: Patrol, place: Place, seen: Seen, duty: str, key: str, now: float) -> Finding:
    """Let a broken duty become a case, or be told to the one that is about it already."""
    who, own, again = desk.user.name, f"{key}:{duty}", f"{key}:{duty}:again"
    for name in (own, again):
        if (done := desk.book.find_act(who, name)) is not None:
            return Finding(duty, done.casefile, known=name == again)
    code = seen.codes[duty]
    entry, asked = desk.rules.code(code, place.district), patrol.duty[duty]
    assert entry is not None, "it was looked up"
    text = f"{asked.zh} {asked.en}: {entry.zh} {entry.en}"
    text = f"{text}\n{seen.text}" if seen.text else text
    known = already(desk, place, code, now)
    if known is None:
        case = desk.report(
            "patrol",
            place.district,
            code,
            text,
            lat=place.lat,
            lon=place.lon,
            place=place.words,
            about=place.about,
            key=own,
        )
        return Finding(duty, case.id, known=False)
    begun = desk.book.events(known.id)[0]
    if (begun.who, begun.key) == (who, own):  # the same visit came twice at once
        return Finding(duty, known.id, known=False)
    desk.act(known.id, "comment", f"巡查时仍存在 Still there on patrol: {text}", key=again)
    return Finding(duty, known.id, known=True)


def _keep(config: Config, photo: Photo) -> str:
    """Keep a photograph before anything is done, so that one that is refused refuses the visit whole."""
    most = config.cases.attachment_mb * 1e6
    if len(photo.content) > most:
        mb = len(photo.content) / 1e6
        raise wrong("photo", f"the photograph has {mb:.1f} MB; at most {most / 1e6:g}", f"照片{mb:.1f} MB，超过上限")
    if photo.content.startswith(b"%PDF-"):
        raise wrong("photo", "it is a document; choose a photograph (JPEG, PNG, WebP)", "请选择照片（JPEG、PNG、WebP）")
    return keep(config, photo.content)


def _add_photo(desk: CaseDesk, config: Config, one: Finding, seen: Seen, photo: Photo | None, key: str) -> None:
    if photo is None:
        return
    told = [event.data.get("sha256") for event in desk.book.events(one.case) if event.what == "attach"]
    if seen.photo not in told and "attach" in desk.may(desk.get(one.case)):
        attach(desk, config, one.case, photo.name, photo.content, "before", key=f"{key}:photo:{one.duty}")


def _time(text: str, now: float) -> float:
    """Return when something was found, by the phone's clock where that can be; else when it arrived."""
    try:
        said = float(text)
    except ValueError:
        return now
    return min(said, now) if now - LATE <= said <= now + AHEAD else now
