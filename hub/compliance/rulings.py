"""Judges by the rules of packs that are no limits, and keeps the verdicts.

A consumer of the log with a position of its own. Samples, verdicts, alerts and the position change in one transaction,
and a docket goes on after a kill from the samples and from what it had said: nothing is judged twice, or missed.

What it rests on is in the database for 8 days, and in memory only as far back as is likely to be needed: 8 days of a
sample every 10 s are 28 MB a subject. When something older comes of one, it is taken from the database anew, as at the
start.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hub.alerts.ruled import RuleAlerts, Whom
from hub.alerts.tables import PART as ALERTS
from hub.alerts.totals import RULE as TOTALS
from hub.compliance.rule_table import Key, RuleTable
from hub.compliance.tables import PART
from hub.config.alerts import Alerting
from hub.judge.heard import HOLE, Heard
from hub.judge.kinds import RuleError, course_of, params_of
from hub.judge.kinds.docket import KEEP, Docket, Shelf
from hub.judge.kinds.world import NEVER, Change, World, names_in
from hub.judge.records import RuleVerdict, Sample
from hub.judge.windows import LocalTime
from hub.limits.places import place_of
from hub.log.entry import Entry
from hub.registry.live import Registry
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.samples import SITE, Speakers, samples_of
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.topics import Topic
from schemas.domains import thing_kinds
from schemas.domains.entries import Rule
from schemas.language import Text

GRACE = 300
"""So long what was measured may be on its way [s]; what comes later amends. Of whom is heard without a hole nothing is
(`hub.judge.heard`)."""
NEWS = 1800
"""A verdict on what ended longer ago is recorded, but is no news: it raises no alert [s]."""
EVERY = 15.0
"""Between two looks at those of whom nothing has come [s]. Who was heard in between is left out of the next one, so
that each is looked at every 30 s at least; a look costs some 30 us a truck."""
PRUNE_EVERY = 86_400.0
WINDOWED = ("coverage", "timetable", "deadhead", "presence")
"""Kinds that judge a window from what lies around it, too: before `since` there may be such samples."""
DOCUMENTED = ("manifest", "balance")
"""Kinds that look for a document when something is over: who is heard without a hole may have handed it in too late by
minutes, so these wait in any case."""
REACH = 86_400
"""Samples are kept so much longer for them [s]."""
HELD = 3600
"""So long samples stay in memory for certain [s]. What comes later still is judged, too: then all of its subject that
the database has is gone through again..."""
WARM = 2.0
"""...for so long at most before the next entries are taken [s]."""
PAUSE = 30.0
"""When nothing was taken for so long, the hub's clock was in doubt, or its process stood still [s]."""

log = logging.getLogger("hub.rules")

_encode = msgspec.msgpack.Encoder().encode


class Known(NamedTuple):
    """What is known of a subject."""

    district: str
    """Where it was heard last, as `site`; empty: nowhere yet."""
    site: str
    since: int
    """From when on it is judged, Unix s."""
    pruned: int
    """What is older has been let go of, Unix s."""


Subject = tuple[str, str]
"""Kind and id."""


@dataclass(frozen=True, eq=False)
class Alike:
    """Rules for one kind of subjects that take the same samples, so that these are kept once."""

    rules: tuple[Rule, ...]
    windowed: bool


class Rulings:
    """The verdicts of rules in the file `path`.

    Args:
        path: the database.
        registry: sites and senders.
        rules: those of all packs, by id.
        clock: gives Unix time in s.
        alerting: how alerts behave.
        levels: the highest level to which an alert can be escalated.
        steady: gives monotonic time in s.
    """

    def __init__(
        self,
        path: Path,
        registry: Registry,
        rules: Mapping[str, Rule],
        clock: Callable[[], float],
        alerting: Alerting | None = None,
        levels: int = 0,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = open_compliance(path, ALERTS, THINGS, PART)
        self._clock = clock
        self._steady = steady
        self._registry = registry
        self._rules, self._params = _that_can_be_judged(rules.values())
        self._by_id = {rule.id: rule for rule in self._rules}
        self._alike = _alike(self._rules)
        self._named = {said.of for one in thing_kinds().values() for said in one.property.values() if said.of}
        self._kinds = sorted({rule.of for rule in self._rules if rule.of})
        self._personal = {name for name, known in thing_kinds().items() if known.personal}
        self._store = ThingStore(self._db)
        self._table = RuleTable(self._db)
        self._alerts = RuleAlerts(self._db, registry, clock, alerting, levels)
        self._bound: dict[tuple[str, str], bool] = {}  # by rule and site
        self._wanted: dict[tuple[str, str], tuple[Alike, ...]] = {}  # by kind and site
        self._listening = clock()
        self._taken = steady()
        self._looked = self._pruned = -math.inf
        self._judged: set[Subject] = set()  # since the last look
        self._load()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Judge by another registry from now on."""
        other_time = registry.zone != self._registry.zone
        self._registry = registry
        self._alerts.use(registry)
        before = self._bound.copy()
        self._bound.clear()
        self._wanted.clear()
        if other_time or any(self._binds(self._by_id[rule], site) != bound for (rule, site), bound in before.items()):
            self._ahead = True

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return int(self._db.execute("SELECT offset FROM rule_position").fetchone()[0])

    def take(self, entries: list[Entry]) -> None:
        """See `hub.log.consumer.Sink`."""
        if self._ahead:
            self._load()
        now = self._clock()
        steady = self._steady()
        if steady - self._taken > PAUSE:
            self._listening = now
        self._taken = steady
        with transaction(self._db, self._note_ahead):
            if entries:
                self._db.execute("UPDATE rule_position SET offset = ?", (entries[-1].offset,))
            if not self._rules:
                return
            touched = self._renew(now)
            heard = self._hear(entries)
            touched |= heard.keys()
            self._go_on(entries, now)
            if now - self._looked >= EVERY or now < self._looked:
                self._looked = now
                touched = set(self._shelves) - self._judged | touched
                self._judged.clear()
            moved = self._judge(touched, now)
            self._judged |= touched
            self._note_subjects(heard, moved)
            self._alerts.pass_time(self._goes_on)
            if now - self._pruned > PRUNE_EVERY:
                self._prune(now)
                self._pruned = now

    def _note_ahead(self) -> None:
        self._ahead = True

    def _load(self) -> None:
        """Bring everything in memory to where the database is."""
        self._ahead = True  # until all of it is there
        self._local = LocalTime(self._registry.zone)
        self._things = self._store.newest()
        self._world = World(self._store.editions())
        self._speakers = Speakers(self._world, self._kinds)
        self._until = int(self._db.execute("SELECT until FROM rule_position").fetchone()[0])
        self._dockets: dict[Key, Docket] = {}
        self._shelves: dict[Subject, dict[Alike, Shelf]] = {}
        self._bound.clear()
        self._wanted.clear()
        rows = self._db.execute("SELECT kind, id, judged, district, site, since, pruned FROM rule_subject").fetchall()
        self._whom: dict[Subject, Known] = {(kind, id_): Known(*known) for kind, id_, _, *known in rows}
        self._heard = {(kind, id_): Heard(judged) for kind, id_, judged, *_ in rows}
        # Subjects that are to be taken from the database: whatever is others than when it was judged is judged again.
        self._cold = {subject for subject in self._whom if subject[0] in self._alike}
        self._looked = -math.inf
        self._ahead = False

    def _put(self, subject: Subject, alike: Iterable[Alike], sample: Sample) -> None:
        shelves, since = self._shelves[subject], self._whom[subject].since
        for one in alike:
            if one.windowed or sample.t >= since:
                shelves[one].add((sample,))
            elif sample.late:
                shelves[one].clocks.add(sample)

    def _watch(self, subject: Subject) -> None:
        """Open the dockets of a subject anew."""
        since = self._whom[subject].since
        kind, id_ = subject
        self._shelves[subject] = {}
        self._heard.setdefault(subject, Heard())
        for alike in self._alike.get(kind, ()):
            shelf = self._shelves[subject][alike] = Shelf(alike.rules[0], self._local)
            for rule in alike.rules:
                key = rule.id, kind, id_
                course = course_of(rule, self._world, self._local, id_, since, self._params[rule.id])
                docket = Docket(rule, id_, course, self._local, shelf)
                told, revisions = self._table.said(key)
                docket.resume([one for one in told if one.start >= since], revisions)
                self._dockets[key] = docket

    def _warm(self, subject: Subject) -> None:
        """Take what there is of a subject from the database."""
        self._watch(subject)
        heard = self._heard[subject] = Heard(self._heard[subject].ready)
        rows = self._db.execute("SELECT site, content FROM rule_sample WHERE kind = ? AND id = ? ORDER BY t", subject)
        for site, content in rows:
            sample = msgspec.msgpack.decode(content, type=Sample)
            self._put(subject, self._takers(subject[0], site), sample)
            if sample.t >= self._until - HOLE:
                heard.add(sample)
        self._cold.discard(subject)

    def _takers(self, kind: str, site: str) -> tuple[Alike, ...]:
        """Return the rules that take what was said of a subject of a kind at a site."""
        found = self._wanted.get((kind, site))
        if found is None:
            found = tuple(one for one in self._alike.get(kind, ()) if self._binds(one.rules[0], site))
            self._wanted[kind, site] = found
        return found

    def _binds(self, rule: Rule, site_id: str) -> bool:
        key = rule.id, site_id
        if key not in self._bound:
            site = self._registry.sites.get(site_id)
            if site is None:
                return False
            place = place_of(site, self._registry.named_districts, self._registry.cities)
            kinds = not rule.site_kinds or site.kind in rule.site_kinds
            self._bound[key] = kinds and rule.jurisdiction in place.jurisdictions
        return self._bound[key]

    def _renew(self, now: float) -> set[Subject]:
        """Take notice of things that are new or others than before; return the subjects that are judged again."""
        newest = self._store.newest()
        touched: set[Subject] = set()
        if newest != self._things:
            change = self._world.add(self._store.editions(self._things, newest))
            self._things = newest
            self._speakers.forget()
            touched = self._concerned(change) if change.since < NEVER else touched
            for subject in touched:
                self._again(subject, change.since)
        elif now - self._looked < EVERY:
            return touched
        for kind in self._kinds:
            for term in self._world.present(kind, int(now)):
                subject = kind, term.edition.id
                if subject not in self._whom:
                    self._db.execute(
                        "INSERT INTO rule_subject (kind, id, district, site, since) VALUES (?, ?, '', '', ?)",
                        (*subject, self._local.day(int(now)).start),
                    )
                    self._whom[subject] = Known("", "", self._local.day(int(now)).start, 0)
                    self._watch(subject)
        return touched

    def _again(self, subject: Subject, since: int) -> None:
        """Let what a subject did from a moment on be judged again."""
        for shelf in self._shelves[subject].values():
            for docket in shelf.dockets:
                docket.again(since)
            if since < shelf.horizon:
                self._cold.add(subject)

    def _concerned(self, change: Change) -> set[Subject]:
        """Return whose verdicts may be others by things that are.

        Most things that are made each day, such as manifests and shifts, are found by whom they name alone, or by whom
        these name in turn. A place may concern whoever was near it; what others name, whoever is connected with these;
        and so may what a rule asks of as a whole.
        """
        kinds = {kind for kind, _ in change.things}
        if change.placed or kinds & (self._named | self._world.swept):
            return set(self._shelves)
        names = self._world.reached(change.names)
        return {subject for subject in self._shelves if subject[1] in names}

    def _meet(self, subject: Subject, place: Topic, t: int) -> bool:
        """Note where a subject was heard last; tell whether what it said of the moment `t` can still be judged."""
        first = self._local.day(t).start
        known = self._whom.get(subject) or Known("", "", first, 0)
        if t < known.pruned:
            return False
        now_known = Known(place.district, place.site, min(first, known.since), known.pruned)
        if subject in self._whom and now_known.since < known.since:
            now_known = now_known._replace(since=max(now_known.since, known.pruned))
            self._cold.add(subject)  # its dockets begin earlier than was known
        new = subject not in self._whom
        self._whom[subject] = now_known
        if new:
            self._watch(subject)
        return True

    def _hear(self, entries: Iterable[Entry]) -> dict[Subject, float]:
        """Put what was said on the shelves; return whom it is about, and when it came."""
        heard: dict[Subject, float] = {}
        kept: list[tuple[object, ...]] = []
        for entry in entries:
            for sample, place in samples_of(entry):
                content = None
                for subject in ((SITE, place.site), *self._speakers.things(place.device, sample.t)):
                    takers = self._takers(subject[0], place.site)
                    if not takers or not self._meet(subject, place, sample.t):
                        continue
                    heard[subject] = entry.received
                    content = content or _encode(sample)
                    kept.append((*subject, sample.id, sample.t, place.site, entry.proof, content))
                    if subject not in self._cold:
                        for shelf in self._shelves[subject].values():
                            if sample.t < shelf.horizon:
                                self._cold.add(subject)
                                break
                        else:
                            self._put(subject, takers, sample)
                            self._heard[subject].add(sample)
        self._db.executemany("INSERT OR REPLACE INTO rule_sample VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
        return heard

    def _note_subjects(self, heard: Mapping[Subject, float], moved: Iterable[Subject]) -> None:
        """Keep where subjects were heard last, and up to when they have been judged."""
        self._db.executemany(
            "INSERT INTO rule_subject (kind, id, district, site, since, heard, judged) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET district = excluded.district, site = excluded.site, "
            "since = excluded.since, heard = excluded.heard, judged = excluded.judged",
            ((*one, *self._whom[one][:3], received, self._heard[one].ready) for one, received in heard.items()),
        )
        self._db.executemany(
            "UPDATE rule_subject SET judged = ? WHERE kind = ? AND id = ?",
            ((self._heard[one].ready, *one) for one in moved if one not in heard),
        )

    def _go_on(self, entries: list[Entry], now: float) -> None:
        """Find up to when nothing is missing that may still be on its way; it never goes back."""
        until = self._until
        if entries:
            until = int(min(now, entries[-1].received) - GRACE)
        elif now - self._listening >= GRACE:  # what was said while nobody listened is still to come
            until = int(now - GRACE)
        if until > self._until:
            self._until = until
            self._db.execute("UPDATE rule_position SET until = ?", (until,))

    def _judge(self, subjects: set[Subject], now: float) -> list[Subject]:
        """Judge; of those that are to be taken from the database, as many as there is time for, and one at least.

        Return those that were judged up to a later moment than all others.
        """
        began, warmed = time.perf_counter(), 0
        moved: list[Subject] = []
        for subject in sorted(subjects | self._cold):
            if subject in self._cold:
                if warmed and time.perf_counter() - began > WARM:
                    continue
                self._warm(subject)
                warmed += 1
            heard = self._heard[subject]
            before_now = heard.ready
            shelves = self._shelves[subject].values()
            behind = max((shelf.clocks.behind for shelf in shelves), default=0)
            until_now = self._until - behind  # by its own clock nothing is late
            upto = heard.upto(until_now)
            if heard.ready != before_now:
                moved.append(subject)
            for shelf in shelves:
                for docket in shelf.dockets:
                    before, rule = docket.going, docket.rule
                    until = until_now if rule.kind in DOCUMENTED else upto
                    for one in docket.judge(until, now):
                        # What counts for so long after a window must have come before it is judged: it is no older.
                        age = now - behind - (until if one.open else one.end + docket.reach)
                        self._record(one, rule, subject[0], went_on=one.amends in before, news=age <= NEWS)
                if shelf.samples and shelf.samples[0].t < until_now - 2 * HELD:
                    shelf.forget(until_now - HELD)
        return moved

    def _record(self, one: RuleVerdict, rule: Rule, kind: str, *, went_on: bool, news: bool) -> None:
        known = self._whom[kind, one.subject]
        district = known.district or self._district(kind, one.subject)
        if kind in self._personal:  # nobody is shown where a person is or was
            one = msgspec.structs.replace(one, lat=None, lon=None)
        self._table.add(one, kind, district, known.site)
        whom = Whom(self._name(kind, one.subject), district, known.site, self._responsible(one, rule))
        self._alerts.judged(one, rule, whom, went_on=went_on, news=news)

    def _district(self, kind: str, id_: str) -> str:
        """Return the district of a thing that was never heard, as shops and permits: its own, or of what it names."""
        thing = self._thing(kind, id_)
        if thing is None or thing.district:
            return (thing and thing.district) or ""
        declared = thing_kinds()[kind].property if kind in thing_kinds() else {}
        named = (
            self._thing(declared[name].of or "", one)
            for name, value in thing.properties.items()
            if name in declared
            for one in names_in(value)
        )
        return next((one.district for one in named if one and one.district), "")

    def _thing(self, kind: str, id_: str) -> Thing | None:
        rows = self._store.rows(kind, id_) if kind else []
        return rows[-1].thing() if rows else None

    def _name(self, kind: str, id_: str) -> Text:
        if kind == SITE:
            site = self._registry.sites.get(id_)
            return Text(f"{site.en} ({id_})", f"{site.zh}（{id_}）") if site else Text(id_, id_)
        thing = self._thing(kind, id_)
        return Text(f"{thing.en} ({id_})", f"{thing.zh}（{id_}）") if thing else Text(id_, id_)

    def _responsible(self, one: RuleVerdict, rule: Rule) -> tuple[Text, ...]:
        """Return what those are called who answer for a breach, as their editions that it cites have it."""
        wanted = [cited for cited in one.editions if rule.responsible and cited.kind == rule.responsible.kind]
        found = []
        for kind, id_, number in wanted if one.outcome == "exceeded" else ():
            thing = next((row.thing() for row in self._store.rows(kind, id_) if row.number == number), None)
            found.append(Text(f"{thing.en} ({id_})", f"{thing.zh}（{id_}）") if thing else Text(id_, id_))
        return tuple(found)

    def _goes_on(self, subject: str, rule: str) -> bool:
        """Tell whether a subject breaks a rule just now; of one that is still to be looked at, it may.

        Alerts about yearly totals end otherwise (`hub.alerts.totals`).
        """
        if rule.startswith(TOTALS):
            return True
        by = self._by_id.get(rule)
        kind = by.of or SITE if by else SITE
        docket = self._dockets.get((rule, kind, subject))
        return (kind, subject) in self._cold or (docket is not None and bool(docket.going))

    def _prune(self, now: float) -> None:
        """Let go of samples that nothing can change any more: of a subject, as far back as each of its rules needs."""
        wanted: dict[Subject, int] = {}
        for (_, kind, id_), docket in self._dockets.items():
            if (kind, id_) in self._cold:
                continue
            bound = docket.keeps_from(int(min(now, self._until) - KEEP))
            wanted[kind, id_] = min(bound, wanted.get((kind, id_), bound))
        for (kind, id_), bound in wanted.items():
            self._db.execute("DELETE FROM rule_sample WHERE kind = ? AND id = ? AND t < ?", (kind, id_, bound - REACH))
            moved = self._db.execute(
                "UPDATE rule_subject SET since = ?, pruned = ? WHERE kind = ? AND id = ? AND since < ?",
                (bound, bound, kind, id_, bound),
            ).rowcount
            if moved:  # the dockets begin anew where the samples do
                known = self._whom[kind, id_]
                self._whom[kind, id_] = known._replace(since=max(bound, known.since), pruned=max(bound, known.pruned))
                self._cold.add((kind, id_))


def _that_can_be_judged(rules: Iterable[Rule]) -> tuple[list[Rule], dict[str, Any]]:
    """Return the rules that can, and what each asks for, by id: reading that for each subject would take minutes."""
    found, params = [], {}
    for rule in rules:
        try:
            params[rule.id] = params_of(rule)
        except RuleError as error:
            log.error("%s; it is not judged; mend it: fenceline domain check", error)  # noqa: TRY400
        else:
            found.append(rule)
    return found, params


def _alike(rules: Iterable[Rule]) -> dict[str, tuple[Alike, ...]]:
    """Return the rules that take the same samples together, by kind of subjects."""
    found: dict[tuple[object, ...], list[Rule]] = {}
    for rule in rules:
        windowed = rule.kind in WINDOWED
        same = (rule.of or SITE, rule.in_force, rule.ends, rule.site_kinds, rule.jurisdiction, windowed)
        found.setdefault(same, []).append(rule)
    kinds: dict[str, tuple[Alike, ...]] = {}
    for key, together in found.items():
        kind = str(key[0])
        kinds[kind] = (*kinds.get(kind, ()), Alike(tuple(together), bool(key[-1])))
    return kinds
