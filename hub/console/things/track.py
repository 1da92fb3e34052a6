"""A trip on the map: the way with its gaps, what happened along a time line, what was judged of it, and a replay."""

import itertools
import json
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from hub.alerts.records import Alert
from hub.compliance.rule_table import Samples
from hub.console.things.places import around, drawn, places
from hub.console.things.plan import Plan, box_around
from hub.console.things.rulings import Ruling, said_of, shown
from hub.console.things.tracks import Band, Fact, Scale, facts_of, gaps_in, pieces_of, speeds_of, strips_of
from hub.console.things.visit import Part, Things
from hub.console.web import CSP, NOT_FOUND, Shared, Visit, visiting
from hub.http.problems import RequestError
from hub.judge.kinds.world import SOURCE, names_in
from hub.judge.records import Sample
from hub.log.reader import reading_log
from hub.things.samples import samples_of
from hub.wire.channels import CHANNELS
from schemas import domains
from schemas.language import Text

USUAL = 2 * 3600
"""So long a way is shown where nobody asks for more [s]."""
LONGEST = 86_400
"""And so long at most [s]."""
MARGIN = 600
"""Before and behind what an alert is about [s]."""
LAST = 4_102_444_800
"""Later than this nobody drives: 2100, Unix s."""
MOST_SAMPLES = 9000
"""Of a day with one every 10 s."""
MOST_READ = 20_000
"""Messages that are read from the log at most."""
LATE = 86_400
"""So long after a moment the log is searched for what was said of it [s]."""
MOST_POINTS = 1500
"""Of the way as it is drawn, and of the replay."""
NEAR = 0.003
"""Around a way [degrees]."""
APART = 22.0
"""Pins that are nearer to each other are one [pixels]."""
FINDINGS = {"exceeded": "bad", "above_uncorrected": "doubt"}
MOST_RULINGS, MOST_KEPT = 100, 40
"""So many verdicts are shown, the newest, and so many on rules that were kept: a truck's day can have hundreds."""
When = Annotated[str, Query(max_length=40)]
Number = Annotated[int, Query(ge=1, le=2**63 - 1)]


class Stretch(NamedTuple):
    """A piece of the way as it is drawn; `look`: way, hole, bad or doubt."""

    path: str
    look: str
    title: str


class Pin(NamedTuple):
    """What happened at one place, on the map: the numbers of the facts, and the first of them."""

    label: str
    title: str
    first: int
    kind: str
    x: float
    y: float


class Judged(NamedTuple):
    """A verdict in the time line."""

    name: str
    bands: list[Band]


class Span(NamedTuple):
    """What a page shows, Unix s."""

    since: float
    until: float


def add_track(router: APIRouter, shared: Shared) -> None:
    """Add the page."""
    visitor = Depends(visiting(shared))
    policy = CSP.replace("img-src 'self'", f"img-src 'self' {shared.config.console.tiles_origin}".rstrip())

    @router.get("/track/{kind}/{id}")
    def show_track(
        visit: Annotated[Visit, visitor],
        kind: str,
        id: str,  # noqa: A002
        since: When = "",
        until: When = "",
        alert: Number | None = None,
    ) -> Response:
        things = Things(visit)
        if kind not in things.moving:
            raise RequestError(404, NOT_FOUND)
        about = _alert(things, kind, id, alert)
        thing = things.find(kind, id)
        free = thing is not None and _may_see(things, kind, id)
        if not free and about is None:
            raise RequestError(404, NOT_FOUND)
        # Who sees no more of it than an alert, sees what that is about, and no other time.
        span = _span(things, kind, id, *((since, until) if free else ("", "")), about)
        samples = read_samples(things, kind, id, span)
        answer = _page(things, kind, id, span, samples, about)
        answer.headers["Content-Security-Policy"] = policy
        return answer


def _may_see(things: Things, kind: str, id_: str) -> bool:
    """Tell whether the visitor may know where somebody was: whoever is of the district in which it was heard last."""
    user = things.visit.user
    heard = Samples(things.visit.db).heard(kind, id_)
    return not user.districts or any(user.sees(one.district) for one in heard)


def _alert(things: Things, kind: str, id_: str, number: int | None) -> Alert | None:
    """Return the alert whose way is asked for; it must be about this one, and the visitor's.

    Raises:
        RequestError: there is none like that.
    """
    if number is None:
        return None
    alert = things.visit.desk.get(number)
    rule = domains.rules().get(alert.rule)
    if alert.device != id_ or rule is None or rule.of != kind:
        raise RequestError(404, NOT_FOUND)
    return alert


def _span(things: Things, kind: str, id_: str, since: str, until: str, alert: Alert | None) -> Span:
    """Return what an address asks for; else what the alert is about, else the last hours in which something came."""
    first, last = _moment(things, since), _moment(things, until)
    if first is not None and last is not None and first < last:
        return Span(max(first, last - LONGEST), last)
    if alert is not None:
        begin = alert.first - MARGIN
        return Span(begin, min(max(alert.last, alert.first) + MARGIN, begin + LONGEST))
    position = things.position(kind, id_)
    end = float(position.newest.t + 60) if position else things.visit.now
    return Span(end - USUAL, end)


def _moment(things: Things, text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text)
        t = (when if when.tzinfo else when.replace(tzinfo=things.visit.registry.zone)).timestamp()
    except (ValueError, OverflowError):
        return None
    return t if 0 <= t <= LAST else None


def read_samples(things: Things, kind: str, id_: str, span: Span) -> list[Sample]:
    """Return what was said of somebody: as it is kept for judging, and what is older from the log."""
    kept = Samples(things.visit.db)
    if span.since >= kept.kept_from(kind, id_):
        return kept.between(kind, id_, span.since, span.until, MOST_SAMPLES)
    return _from_log(things, kind, id_, span)


def _from_log(things: Things, kind: str, id_: str, span: Span) -> list[Sample]:
    visit, path = things.visit, things.visit.shared.config.data / "log.db"
    term = things.known.world.in_force(kind, id_, int(span.since))
    sources = names_in(term.edition.properties.get(SOURCE)) if term else ()
    registry = visit.shared.registry()
    senders = [sender for one in sources or (id_,) if (sender := registry.sender(one)) is not None]
    topics = [
        topic
        for sender in senders
        for channel in CHANNELS.values()
        if channel.name == sender.channel
        for place in registry.places_of(sender)
        for topic in channel.topics(place.district, place.id, sender.id)
    ]
    if not topics or not path.exists():
        return []
    found: dict[str, Sample] = {}
    with reading_log(path) as reader:
        end = reader.offset_at(span.until + LATE)
        for number, entry in enumerate(reader.said(topics, reader.offset_at(span.since) - 1)):
            if entry.offset >= end or number >= MOST_READ:
                break
            found |= {one.id: one for one, _ in samples_of(entry) if span.since <= one.t < span.until}
    return sorted(found.values(), key=lambda one: (one.t, one.id))[:MOST_SAMPLES]


def _page(things: Things, kind: str, id_: str, span: Span, samples: list[Sample], alert: Alert | None) -> Response:
    visit, lang = things.visit, things.visit.lang
    thing = things.find(kind, id_)
    scale = Scale(span.since, span.until)
    said = said_of(things, kind, id_, span.since, span.until)
    seen = [one for one in said if visit.user.sees(one.district)]
    broken = [one for one in seen if one.outcome != "compliant"]
    rulings = shown(things, broken[:MOST_RULINGS])
    kept = [one for one in seen if one.outcome == "compliant"]
    there = places(things, (span.since + span.until) / 2)
    fixes = [(one.lon, one.lat) for one in samples if one.lon is not None and one.lat is not None]
    box = box_around(fixes, least=NEAR) if fixes else None
    plan = Plan(visit.shared.config.console, box, around(there))
    picture = drawn(things, plan, there, 12)
    facts = facts_of(samples, lang)
    speeds, top = speeds_of(samples, scale)
    return visit.page(
        "track.html",
        kind=kind,
        id=id_,
        name=things.name(thing) if thing else id_,
        kind_name=things.kind_name(kind),
        linked=thing is not None,
        span=span,
        samples=len(samples),
        cut=len(samples) == MOST_SAMPLES,
        drawn=picture,
        stretches=_stretches(plan, samples, rulings),
        ends=[plan.place(*fixes[0]), plan.place(*fixes[-1])] if fixes else [],
        facts=list(enumerate(facts, 1)),
        pins=_pins(plan, facts),
        strips=[*strips_of(samples, scale, lang)],
        gaps=gaps_in(samples, scale, lang),
        judged=_judged(rulings, scale),
        speeds=speeds,
        top=top,
        ticks=[span.since + (span.until - span.since) * n / 4 for n in range(5)],
        replay=_replay(plan, scale, samples),
        rulings=rulings,
        kept=shown(things, kept[:MOST_KEPT]),
        kept_in_all=len(kept),
        more=len(broken) - len(rulings),
        documents=_documents(things, kind, id_, span),
        alert=alert,
        steps=_steps(kind, id_, span, visit),
        begin=f"{visit.page_formats.local(span.since):%Y-%m-%dT%H:%M}",
        end=f"{visit.page_formats.local(span.until):%Y-%m-%dT%H:%M}",
    )


def _pins(plan: Plan, facts: Sequence[Fact]) -> list[Pin]:
    """Return facts on the map; those that would cover each other as one."""
    heaps: list[tuple[float, float, list[int]]] = []
    for number, fact in enumerate(facts, 1):
        if fact.at is None or fact.at.lon is None or fact.at.lat is None:
            continue
        x, y = plan.place(fact.at.lon, fact.at.lat)
        heap = next((one for one in heaps if abs(one[0] - x) + abs(one[1] - y) < APART), None)
        if heap is None:
            heaps.append((x, y, [number]))
        else:
            heap[2].append(number)
    return [
        Pin(
            _label(numbers),
            "; ".join(f"{number}: {facts[number - 1].text}" for number in numbers),
            numbers[0],
            facts[numbers[0] - 1].kind,
            x,
            y,
        )
        for x, y, numbers in heaps
    ]


def _label(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{numbers[0]}"
    runs = numbers[-1] - numbers[0] == len(numbers) - 1
    return f"{numbers[0]}–{numbers[-1]}" if runs else f"{numbers[0]}…"


def _stretches(plan: Plan, samples: Sequence[Sample], rulings: Sequence[Ruling]) -> list[Stretch]:
    """Return the way: holes first, then what was driven, then what was found to break a rule, on top."""
    pieces = pieces_of(samples)
    holes = [Stretch(_path(plan, [before[-1], after[0]]), "hole", "") for before, after in itertools.pairwise(pieces)]
    driven = [Stretch(_path(plan, _thinned(piece)), "way", "") for piece in pieces]
    found = []
    for one in rulings:
        look = FINDINGS.get(one.kept.outcome)
        if look is None or one.kept.end - one.kept.start > LONGEST / 2:
            continue
        look = "doubt" if one.kept.grade == "suspicion" else look
        for piece in pieces:
            begin = bisect_left(piece, one.kept.start, key=lambda sample: sample.t)
            end = bisect_left(piece, one.kept.end + 1, key=lambda sample: sample.t)
            if end - begin > 1:
                found.append(Stretch(_path(plan, _thinned(piece[begin:end])), look, one.name))
    return [*holes, *driven, *found]


def _thinned(piece: Sequence[Sample]) -> Sequence[Sample]:
    each = -(-len(piece) // MOST_POINTS)
    return piece if each <= 1 else [*piece[::each], piece[-1]]


def _path(plan: Plan, samples: Sequence[Sample]) -> str:
    points = [plan.place(one.lon, one.lat) for one in samples if one.lon is not None and one.lat is not None]
    return f"M{'L'.join(f'{x:g} {y:g}' for x, y in points)}"


def _judged(rulings: Sequence[Ruling], scale: Scale) -> list[Judged]:
    """Return a row of the time line for each rule that was broken, or could not be told."""
    rows: dict[str, Judged] = {}
    for one in rulings:
        look = "doubt" if one.kept.grade == "suspicion" else FINDINGS.get(one.kept.outcome, "unclear")
        row = rows.setdefault(one.kept.rule, Judged(one.name, []))
        title = f"{one.badge.text} {one.why}".strip()
        row.bands.append(scale.band(one.kept.start, one.kept.end, look, title))
    return list(rows.values())


def _replay(plan: Plan, scale: Scale, samples: Sequence[Sample]) -> str:
    """Return the way for the replay as JSON: of each sample time, x and y in the map, x in the time line, speed."""
    points = [
        [
            one.t,
            *(plan.place(one.lon, one.lat) if one.lon is not None and one.lat is not None else (None, None)),
            scale.x(one.t),
            None if one.speed is None else round(one.speed),
        ]
        for one in _thinned(samples)
    ]
    return json.dumps(points, separators=(",", ":")) if len(points) > 1 else ""


def _documents(things: Things, kind: str, id_: str, span: Span) -> list[tuple[str, Part, int]]:
    """Return the documents that named somebody and held at that time: permits, manifests."""
    found = []
    for of, name in things.known.naming(things.kinds, kind):
        for term in things.known.world.held_by(of, name, id_):
            part = things.part(of, term.edition.id)
            if term.since < span.until and term.until > span.since and part.link:
                found.append((things.kind_name(of), part, term.edition.number))
    return found[:40]


def _steps(kind: str, id_: str, span: Span, visit: Visit) -> list[tuple[str, str]]:
    """Return the ways to what lies before and behind, and to more and less of it."""
    length = span.until - span.since
    wider = min(length, float(LONGEST - length) if length < LONGEST else 0.0) / 2
    spans = [
        (Text("earlier", "更早"), span.since - length, span.since),
        (Text("later", "更晚"), span.until, span.until + length),
        (Text("longer", "更长"), span.since - wider, span.until + wider),
        (Text("shorter", "更短"), span.since + length / 4, span.until - length / 4),
    ]
    local = visit.page_formats.local
    return [
        (
            visit.say(text),
            f"/console/track/{kind}/{id_}?"
            + urlencode({"since": f"{local(begin):%Y-%m-%dT%H:%M:%S}", "until": f"{local(end):%Y-%m-%dT%H:%M:%S}"}),
        )
        for text, begin, end in spans
        if end - begin >= 60
    ]
