"""A large city for measurements: its configuration, and alerts, verdicts and readings as the hub would have kept them.

Alerts are made by the book of alerts and the first window of each rule at each board by the table of verdicts; the
other windows are copies of those with other times and values, made by one statement, in the order in which they end.
"""

import random
import secrets
import time
from contextlib import closing
from pathlib import Path

from hub.access.sessions import Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import Access
from hub.alerts.book import Book
from hub.alerts.records import Alert
from hub.alerts.tables import PART as ALERTS
from hub.compliance.tables import PART as VERDICTS
from hub.compliance.verdicts import VerdictTable
from hub.config.files import load_config
from hub.judge.verdicts import Verdict
from hub.log.entry import Interval
from hub.registry.live import load_registry
from hub.series.sqlite import SqliteStore
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.tables import PART as THINGS
from schemas import load_limits
from schemas.language import Text
from tests.bench.large_cases import fill_cases, write_rules
from tests.bench.large_fleet import fill_trucks

WINDOW_S, READING_S, READINGS_S = 1200, 10, 6 * 3600
RULES = ("GB 12523-2025 laeq-day", "DB61/1078-2017 tsp-earthworks")
"""What binds a construction site in the made city: noise and dust, the windows of both 20 min long here."""
NAMES = (
    ("Clock Tower", "钟楼"),
    ("East Gate, lot", "东门地块"),
    ("River Crossing", "过江通道"),
    ("Hospital, phase", "医院期"),
)
PEOPLE = (
    ("root", "admin", 0),
    ("whole", "officer", 0),
    ("one", "officer", 1),
    ("four", "viewer", 4),
)
"""Who asks: name, role, and of how many districts; 0: of all."""
OPEN_EACH_HUNDRED = 40
"""Sites with an alert that is not over, of 100; and so many with one that is over and not put away."""
LIMITS = {f"{standard.id} {limit.id}": (standard, limit) for standard, limit in load_limits()}


class LargeCity:
    """The files of a city in `folder`: `sites` construction sites with one board each, in `districts` districts."""

    def __init__(
        self,
        folder: Path,
        sites: int,
        alerts: int,
        verdicts: int,
        districts: int = 16,
        cases: int = 0,
        trucks: int = 0,
    ) -> None:
        self.folder, self.sites, self.districts = folder, sites, min(districts, sites)
        self.now = int(time.time())
        self.keys = {f"b{n}": secrets.token_bytes(32) for n in range(sites)}
        self.cookies: dict[str, str] = {}
        """Secrets of sessions, by user."""
        self._dice = random.Random(19)
        self._alerts, self._verdicts, self.cases, self.trucks = alerts, verdicts, cases, trucks

    def district(self, site: int) -> str:
        """Return the id of the district of a site."""
        return f"d{site % self.districts}"

    def write(self, port: int = 1883, http: int = 8080) -> Path:
        """Write the configuration, registry and keys; return the configuration."""
        config = self.folder / "fenceline.toml"
        config.write_text(
            'registry = "registry.toml"\nkeys = "keys.toml"\ndata = "data"\n'
            f"[http]\nport = {http}\n[broker]\nport = {port}\n[alerts.escalate_minutes]\nviolation = 30\n"
            '[cases]\nfolder = "rules"\n',
            "utf-8",
        )
        write_rules(self.folder)
        parts = ['timezone = "Asia/Shanghai"\n', '[[city]]\nid = "city"\nen = "City"\nzh = "城市"\n']
        parts += [
            f'[[district]]\nid = "d{n}"\ncity = "city"\nen = "District {n}"\nzh = "第{n}区"\n'
            for n in range(self.districts)
        ]
        for n in range(self.sites):
            en, zh = NAMES[n % len(NAMES)]
            spot = [31.0 + (n % self.districts) * 0.03 + self._dice.random() * 0.05, 121.2 + self._dice.random() * 0.5]
            parts.append(
                f'[[site]]\nid = "s{n}"\ndistrict = "{self.district(n)}"\nkind = "construction"\n'
                f'en = "{en} {n}"\nzh = "{zh}{n}"\nposition = [{spot[0]:.5f}, {spot[1]:.5f}]\n'
                'contacts = [{role = "site manager", name = "Li", phone = "+86 757 0000 0000"}]\n'
            )
        parts += [f'[[board]]\nid = "{id_}"\nsite = "s{id_[1:]}"\ncalibration_due = 2030-01-01\n' for id_ in self.keys]
        (self.folder / "registry.toml").write_text("".join(parts), "utf-8")
        keys = self.folder / "keys.toml"
        keys.touch(mode=0o600)
        keys.write_text("".join(f'{id_} = "{key.hex()}"\n' for id_, key in self.keys.items()))
        (self.folder / "data").mkdir(exist_ok=True)
        return config

    def topic(self, device: str, kind: str = "telemetry") -> str:
        """Return where a board publishes."""
        return f"fenceline/1/{self.district(int(device[1:]))}/s{device[1:]}/{device}/{kind}"

    def fill(self) -> None:
        """Make users, verdicts, alerts and readings, unless they are there; sign the users in."""
        made = (self.folder / "data" / COMPLIANCE).exists()
        with closing(open_compliance(self.folder / "data" / COMPLIANCE, ACCESS, ALERTS, VERDICTS, THINGS)) as db:
            db.execute("PRAGMA synchronous = OFF")  # only here, where nothing is lost with it
            with transaction(db):
                for name, role, count in PEOPLE:
                    own = [f"d{n}" for n in range(min(count, self.districts))]
                    if not made:
                        Access(db).add(name, role, time.time(), "root", own)  # type: ignore[arg-type]
                    opened = Sessions(db).enter(name, "", time.time())
                    assert opened is not None
                    self.cookies[name] = opened.secret
            if made:
                return
            with transaction(db):
                self._fill_verdicts(db)
            with transaction(db):
                self._fill_alerts(db)
            with transaction(db):
                fill_trucks(db, self.trucks, self.districts, self.now)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        config = load_config(self.folder / "fenceline.toml")
        self._fill_readings(config.data / "series.db")
        if self.cases:
            fill_cases(config.data, self.folder / "rules", load_registry(config), self.cases, self.now)

    def verdict(self, site: int, rule: str, start: int, value: float) -> Verdict:
        """Return a verdict of the city on one window."""
        standard, limit = LIMITS[rule]
        assert limit.value is not None
        above = value > limit.value
        return Verdict(
            district=self.district(site),
            site=f"s{site}",
            device=f"b{site}",
            rule=rule,
            standard=standard,
            limit=limit,
            quantity=limit.quantity,
            start=start,
            end=start + WINDOW_S,
            value=value,
            compared=round(value),
            background=20.0,
            limit_value=limit.value,
            unit="dB(A)" if limit.quantity == "laeq" else "ug/m3",
            decimals=1,
            capture=1.0,
            outcome="exceeded" if above else "compliant",
            grade="violation" if above else "",
            reason="",
            missing="",
            assumed="",
            permitted=False,
            revision=1,
            judged=start + WINDOW_S + 90.0,
            binding="binds",
        )

    def _fill_verdicts(self, db) -> None:
        """Make the verdicts of the last windows up to now; of 1,000, 20 exceed, 30 are invalid."""
        windows = max(1, self._verdicts // (self.sites * len(RULES)))
        begin = (self.now // WINDOW_S - windows) * WINDOW_S
        table = VerdictTable(db)
        for site in range(self.sites):
            for rule in RULES:
                table.add(self.verdict(site, rule, begin, 0.8 * (LIMITS[rule][1].value or 0)))
        names = [row[1] for row in db.execute("PRAGMA table_info(verdict)") if row[1] != "id"]
        made = {
            "start": f"start + {WINDOW_S} * n",
            "end": f"end + {WINDOW_S} * n",
            "judged": f"judged + {WINDOW_S} * n",
            "outcome": "CASE WHEN r < 20 THEN 'exceeded' WHEN r < 50 THEN 'invalid' ELSE 'compliant' END",
            "grade": "CASE WHEN r < 20 THEN 'violation' ELSE '' END",
            "reason": "CASE WHEN r BETWEEN 20 AND 49 THEN 'too_little' ELSE '' END",
            "value": "CASE WHEN r BETWEEN 20 AND 49 THEN NULL WHEN r < 20 THEN limit_value * 1.05 + r / 20.0 "
            "ELSE limit_value * 0.7 + r / 200.0 END",
            "valid_share": "1.0 - r % 7 / 40.0",
        }
        asked = ", ".join(made.get(name, name) for name in names)
        db.execute(
            f"INSERT INTO verdict ({', '.join(names)}) "
            "WITH RECURSIVE window(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM window WHERE n < ?) "
            f"SELECT {asked} FROM (SELECT v.*, n, (n * 7919 + v.id * 104729) % 1000 AS r "
            "FROM window CROSS JOIN verdict v WHERE v.id <= ?)",
            (windows - 1, self.sites * len(RULES)),
        )

    def _fill_alerts(self, db) -> None:
        """Make alerts, the newest of some sites not over; each with its windows and its trail."""
        clock = [0.0]
        book = Book(db, lambda: clock[0])
        each = max(1, self._alerts // self.sites)
        for turn in range(each):
            for site in range(self.sites):
                opened = self.now - (each - turn) * 9000 - self._dice.randrange(3600)
                self._add_alert(book, clock, site, opened, last=turn == each - 1)

    def _add_alert(self, book: Book, clock: list[float], site: int, opened: int, *, last: bool) -> None:
        rule = RULES[self._dice.randrange(len(RULES))]
        standard, limit = LIMITS[rule]
        start = opened // WINDOW_S * WINDOW_S
        found = self.verdict(site, rule, start, (limit.value or 0) + 4)
        clock[0] = opened
        dice = self._dice.randrange(100)
        trouble = last and dice < 8
        state = "closed"
        if last:
            state = (
                "firing" if dice < OPEN_EACH_HUNDRED * 0.6 else "acknowledged" if dice < OPEN_EACH_HUNDRED else "closed"
            )
            state = "resolved" if OPEN_EACH_HUNDRED <= dice < 2 * OPEN_EACH_HUNDRED else state
        ended = opened + 3000.0
        severity = "warning" if trouble else self._dice.choice(("violation", "violation", "suspicion", "critical"))
        alert = book.add_alert(
            Alert(
                kind="silent" if trouble else "limit",
                district=found.district,
                site=found.site,
                device=found.device,
                rule="board silent" if trouble else rule,
                state=state,  # type: ignore[arg-type]
                severity=severity,
                opened=opened,
                fired=opened,
                acknowledged=opened + 600.0 if state in {"acknowledged", "closed"} else None,
                acknowledged_by="one" if state in {"acknowledged", "closed"} else None,
                resolved=ended if state in {"resolved", "closed"} else None,
                closed=ended + 600 if state == "closed" else None,
                first=start,
                last=start + 2 * WINDOW_S,
                value=None if trouble else found.value,
                limit_value=None if trouble else limit.value,
                unit=None if trouble else found.unit,
                quantity=None if trouble else limit.quantity,
                capture=None if trouble else 1.0,
                standard=None if trouble else standard.id,
                clause=None if trouble else "4.1",
                verified=None if trouble else "P",
                averaging_verified=None if trouble else "P",
                length=WINDOW_S,
                text=f"site s{site}: above the limit\n站点s{site}：超过限值",
            )
        )
        book.add_event(alert, "firing", Text("above the limit", "超过限值"))
        if not trouble:
            for n in range(2):
                book.note_window(alert, self.verdict(site, rule, start + n * WINDOW_S, (limit.value or 0) + 4 - n))
        for done, what in (("acknowledged", "acknowledged"), ("resolved", "resolved"), ("closed", "closed")):
            if getattr(alert, done) is not None:
                clock[0] = getattr(alert, done)
                book.add_event(alert, what, Text("", ""), "one" if what != "resolved" else "hub")  # type: ignore[arg-type]

    def _fill_readings(self, path: Path) -> None:
        """Make the readings of the last hours of the first boards, where alerts are looked at."""
        store = SqliteStore(path)
        for site in range(min(self.sites, 100)):
            begin = self.now // WINDOW_S * WINDOW_S - READINGS_S
            store.write(
                [
                    Interval(
                        self.district(site),
                        f"s{site}",
                        f"b{site}",
                        "00000001",
                        n,
                        begin + n * READING_S,
                        READING_S,
                        {"laeq": 60.0 + n % 17, "tsp": 100.0 + n % 41},
                    )
                    for n in range(READINGS_S // READING_S)
                ],
                0,
            )
        store.close()
