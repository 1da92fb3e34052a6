"""How quick the pages of enterprises are in a large city: `make bench-companies`; one JSON line comes last.

    make bench-companies
    make bench-companies ARGS="--enterprises 20 --days 60 --requests 3"

Method. A hub's files are made: enterprises with three outlets, a permit, limits and a yearly total each; days of a year
(`emission_day`), hours of the last nine days, verdicts of the last month, marks. The console is served in this process
and asked on loopback, one request at a time; before every request a verdict or a mark's event is committed, so no
answer is one from before. `work` is the processor time of that, the asking included: it is about the same on a busy
machine. The first answer of each page is told apart (`first_ms`): things are read once after a start.
"""

import argparse
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from hub.compliance.tables import PART as VERDICTS
from hub.compliance.verdicts import VerdictTable
from hub.judge.stacks.cells import Cells, Measured
from hub.judge.verdicts import Verdict
from hub.registry.live import Board, Registry, Site
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.marks.records import Proof, Said
from hub.things.marks.store import MarkStore
from hub.things.marks.tables import PART as MARKS
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import load_limits
from tests.hub.alerting import write_files
from tests.hub.console.pages import a_console
from tests.hub.helpers import SHANGHAI, at

HOUR, DAY = 3600, 86_400
NOW = at("2026-12-20 12:10")
P95_MS, FIRST_MS = 50.0, 2_000.0
LIMITS = [one for one in load_limits() if one[0].id == "GB 13271-2014"]
PEOPLE = (("root", "admin", ()), ("whole", "officer", ()), ("one", "officer", ("d0",)), ("of-e7", "company", (), "e7"))


def registry_of(count):
    properties = {"plant": "boiler", "fuel": "gas", "boiler": "new"}
    sites = {
        f"w{n}": Site(
            id=f"w{n}", district=f"d{n % 10}", kind="factory", en=f"Works {n}", zh=f"{n}厂", properties=properties
        )
        for n in range(count)
    }
    boards = {f"b{n}-{i}": Board(id=f"b{n}-{i}", site=f"w{n}") for n in range(count) for i in range(3)}
    return Registry(sites=sites, boards=boards, keys=dict.fromkeys(boards, b"1" * 32), zone=SHANGHAI)


def things_of(count):
    since, until = at("2026-01-01 00:00"), at("2031-01-01 00:00")
    for n in range(count):
        yield Thing("enterprise", f"e{n}", f"Enterprise {n}", f"排污单位{n}", district=f"d{n % 10}")
        said = {"number": f"9144-{n:04}P", "enterprise": f"e{n}", "authority": "Bureau"}
        yield Thing("discharge_permit", f"p{n}", "Permit", "许可证", from_=since, until=until, properties=said)
        for i in range(3):
            outlet = {"number": f"DA00{i}", "enterprise": f"e{n}", "site": f"w{n}", "source": (f"b{n}-{i}",)}
            yield Thing("outlet", f"o{n}-{i}", f"Stack {i}", f"{i}号排放口", from_=since, properties=outlet)
            for pollutant in ("stack_nox", "stack_so2"):
                about = {"permit": f"p{n}", "outlet": f"o{n}-{i}", "pollutant": pollutant}
                limit = about | {"value": 50.0, "reference_o2": 3.5}
                yield Thing("permit_limit", f"l{n}-{i}-{pollutant[6:]}", "Limit", "限值", properties=limit)
                total = about | {"mass_t": 40.0}
                yield Thing("permit_total", f"t{n}-{i}-{pollutant[6:]}", "Total", "总量", properties=total)


def verdict(n, i, start):
    standard, limit = next(one for one in LIMITS if one[1].quantity == "stack_nox")
    return Verdict(
        district=f"d{n % 10}",
        site=f"w{n}",
        device=f"b{n}-{i}",
        rule=f"9144-{n:04}P l{n}-{i}-nox",
        standard=standard,
        limit=limit,
        quantity="stack_nox",
        start=start,
        end=start + HOUR,
        value=40.0,
        compared=40.0,
        background=None,
        limit_value=50.0,
        unit="mg/m³",
        decimals=1,
        capture=1.0,
        outcome="compliant",
        grade="",
        reason="",
        missing="",
        assumed="",
        permitted=False,
        revision=1,
        judged=float(start + HOUR),
        binding="binds",
    )


def fill(db, count, days, marks, dice):
    """Make what the hub would have kept."""
    store = ThingStore(db)
    for one in things_of(count):
        store.add(one, 0.0, "root", "")
    today = at("2026-12-20 00:00")
    db.execute(
        "INSERT INTO emission_day (outlet, pollutant, start, until, hours, stopped, transmitted, valid, mean, "
        "measured_kg, replaced_kg, missing, unknown, differs, digest) WITH RECURSIVE day(n) AS "
        "(SELECT 0 UNION ALL SELECT n + 1 FROM day WHERE n < ?), "
        "outlet(id) AS (SELECT DISTINCT id FROM thing_edition WHERE kind = 'outlet'), "
        "pollutant(name) AS (VALUES ('stack_nox'), ('stack_so2')) "
        "SELECT id, name, ? - n * 86400, ? - n * 86400 + 86400, 24, 0, 24, 23, 40.0, 20.0 + n % 7, 1.0, 1, 0, 0, n "
        "FROM outlet, pollutant, day",
        (days - 1, today, today),
    )
    one = lambda value: Measured(3600.0, 3600.0 * value, {})  # noqa: E731
    cells = Cells({"stack_nox": one(40.0), "stack_so2": one(20.0), "stack_o2": one(6.0), "stack_flow": one(20.0)})
    db.execute(
        "INSERT INTO emission_hour WITH RECURSIVE hour(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM hour WHERE n < 215) "
        "SELECT 'b' || substr(id, 2), ? - n * 3600, ?, 1 FROM hour, "
        "(SELECT DISTINCT id FROM thing_edition WHERE kind = 'outlet')",
        (NOW // HOUR * HOUR - HOUR, msgspec.msgpack.encode(cells)),
    )
    table = VerdictTable(db)
    first = at("2026-12-01 00:00")
    for n in range(count):
        for i in range(3):
            table.add(verdict(n, i, first))
    names = [row[1] for row in db.execute("PRAGMA table_info(verdict)") if row[1] != "id"]
    made = {name: f"{name} + 3600 * n" for name in ("start", "end", "judged")}
    made["outcome"] = "CASE WHEN (n * 7919 + id) % 97 = 0 THEN 'exceeded' ELSE 'compliant' END"
    db.execute(
        f"INSERT INTO verdict ({', '.join(names)}) "
        "WITH RECURSIVE hour(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM hour WHERE n < ?) "
        f"SELECT {', '.join(made.get(name, name) for name in names)} FROM hour CROSS JOIN verdict v WHERE v.id <= ?",
        ((NOW - first) // HOUR - 1, 3 * count),
    )
    store = MarkStore(db)
    for number in range(marks):
        begin = NOW - (marks - number) * 600
        outlet = f"o{dice.randrange(count)}-{number % 3}"
        said = Said(outlet, "fault", begin, begin + HOUR, ("stack_nox",), 12 * HOUR, 36 * HOUR, proof=True)
        id_ = store.add(None, "mark", begin + 60.0, "somebody", "the lamp", said)
        store.add(id_, "proof", begin + 90.0, "somebody", "", _proof())


def _proof():
    proof = msgspec.to_builtins(Proof("0" * 64, "report.pdf", "application/pdf", 10))
    return {name: proof[name] for name in ("sha256", "name", "media", "size")}


def pages_of(count, dice):
    any_ = lambda: dice.randrange(count)  # noqa: E731
    return {
        "ranking": lambda: "/console/companies",
        "ranking_by_name": lambda: "/console/companies?sort=name&page=3",
        "ranking_csv": lambda: "/console/companies.csv",
        "company": lambda: f"/console/companies/e{any_()}",
        "report": lambda: f"/console/companies/e{any_()}/report",
        "outlet": lambda: f"/console/outlets/o{any_()}-1",
        "permits": lambda: "/console/permits",
        "marks": lambda: "/console/marks",
        "marks_late": lambda: "/console/marks?standing=late",
    }


OWN = {"company": "/console/companies/e7", "report": "/console/companies/e7/report", "outlet": "/console/outlets/o7-1"}


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--enterprises", type=int, default=1000)
    parser.add_argument("--days", type=int, default=354)
    parser.add_argument("--marks", type=int, default=5000)
    parser.add_argument("--requests", type=int, default=20)
    asked = parser.parse_args(arguments)
    dice = random.Random(5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_files(folder)
        began = time.perf_counter()
        (folder / "data").mkdir(exist_ok=True)
        with contextlib.closing(open_compliance(folder / "data" / "compliance.db", THINGS, MARKS, VERDICTS)) as db:
            with transaction(db):
                fill(db, asked.enterprises, asked.days, asked.marks, dice)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        print(f"made in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        found = measure(folder, config, asked, dice)
    worst = max(one["p95_ms"] for one in found.values())
    sizes = {
        "enterprises": asked.enterprises,
        "outlets": 3 * asked.enterprises,
        "days": asked.days,
        "marks": asked.marks,
    }
    first = max(one["first_ms"] for one in found.values())
    aims = {"p95": worst <= P95_MS, "first": first <= FIRST_MS}
    print(json.dumps(sizes | {"pages": found, "worst_p95_ms": worst, "worst_first_ms": first, "aims": aims}))


def measure(folder, config, asked, dice):
    """Return the figures of each page."""
    found = {}
    clock = lambda: float(NOW)  # noqa: E731
    with (
        a_console(config, registry_of(asked.enterprises), clock, PEOPLE, limits=LIMITS) as site,
        contextlib.closing(open_compliance(folder / "data" / "compliance.db", THINGS, MARKS, VERDICTS)) as db,
    ):
        start = at("2026-12-20 12:00")
        browsers = {who: site.browser(who) for who in ("whole", "one", "of-e7")}
        for name, address in pages_of(asked.enterprises, dice).items():
            took, work = [], []
            for number in range(asked.requests + 1):
                visitors = ("whole", "one", "of-e7") if name in OWN else ("whole", "one")
                who = visitors[number % len(visitors)]
                with transaction(db):
                    n = dice.randrange(asked.enterprises)
                    if number % 2:
                        VerdictTable(db).add(verdict(n, 1, start))
                    else:
                        said = Said(
                            f"o{n}-1", "fault", NOW - 60, NOW, ("stack_nox",), 12.0 * HOUR, 36.0 * HOUR, proof=True
                        )
                        MarkStore(db).add(None, "mark", float(NOW), "somebody", "the lamp", said)
                path = OWN[name] if who == "of-e7" else address()
                browser = browsers[who]
                began, worked = time.perf_counter(), time.process_time()
                answer = browser.http.get(path, timeout=120)
                took.append(time.perf_counter() - began)
                work.append(time.process_time() - worked)
                assert answer.status_code in {200, 404}, (path, answer.status_code)
            first, *later = took
            cuts = statistics.quantiles(later, n=20, method="inclusive")
            found[name] = {
                "first_ms": round(1000 * first, 1),
                "p50_ms": round(1000 * statistics.median(later), 1),
                "p95_ms": round(1000 * cuts[18], 1),
                "work_p50_ms": round(1000 * statistics.median(work[1:]), 1),
                "work_p95_ms": round(1000 * statistics.quantiles(work[1:], n=20, method="inclusive")[18], 1),
            }
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
