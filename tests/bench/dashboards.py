"""How fast every panel of every dashboard is on a year of a city, beside raw data: `make bench-dashboards`; JSON last.

    make bench-dashboards
    make bench-dashboards ARGS="--sites 50 --raw-days 7 --repeat 3"

Method. A real InfluxDB is filled with what the hub writes of `sites` sites with one board each, one in six a factory:
rollups of 1 h and the day for a whole year, those of 10 min and everything raw (readings each 60 s, single verdicts)
for the last `raw-days` days: a raw year of 200 sites would be 400 million points. Points have the hub's measurements,
tags and fields (rollups come from the hub's own `rollup_lines`); the values are made up, since only their number and
places cost time. Then the database is left alone for `rest` seconds, in which it compacts. What is measured is the time
from asking to the last byte of the answer, by HTTP on loopback.

For each panel and each range (1 h, 24 h, 30 d, 1 y, up to now) all its statements are asked one after the other,
`repeat` times, in an order that a generator shuffles: p50 and p95 in ms. After all of them come the same questions of
raw data: the same statements with the measurement of the readings instead of the rollup's, of single verdicts instead
of days, without the conditions that choose by range; data capture is counted from the readings. A panel that reads no
rollup has no such twin. Raw questions of a year find only `raw-days` days: the year's raw times are lower bounds.

- `panels`: by dashboard and panel title, by range: `p50`, `p95`, `raw_p50`, `raw_p95`, all in ms; rows returned.
- `city_30d`: of the City dashboard at 30 d. `slowest`, `p95`: the panel with the highest p95, and that. `raw_slowest`,
  `raw_p95`: the raw question with the highest p95, and that. `ratio`: p95 / raw_p95 (aim: below 0.01). `same_panel`:
  p95 of that raw question's own panel by its raw_p95.
- `points`, `fill_s`: how many points were written, and how long that took.

Times are this machine's; the ratio is between two of one run.
"""

import argparse
import datetime as dt
import http.client
import json
import math
import multiprocessing
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from rich.console import Console
from rich.progress import Progress

from dashboards import Lang
from dashboards.generate import queries
from hub.series.base import PERIODS, Rollup
from hub.series.influx import rollup_lines
from schemas import load_quantities
from tests import stack
from tests.conftest import InfluxDB
from tests.ports import free_port

DAY, HOUR, MINUTE = 86_400, 3600, 60
YEAR = 365 * DAY
ZONE_S = 8 * HOUR
LINES = 20_000
"""Points in one request."""
RANGES = {"1 h": (HOUR, "1m"), "24 h": (DAY, "1m"), "30 d": (30 * DAY, "1h"), "1 y": (YEAR, "1d")}
"""Length in s, and the step that Grafana chooses for a panel of about 1000 points."""
FAMILIES = {
    "noise": {"laeq": 61.5, "lafmax": 74.2, "l10": 64.1, "l50": 60.2, "l90": 55.3},
    "dust": {"pm10": 81.0, "pm25": 35.0, "tsp": 160.0},
    "weather": {"wind_speed": 2.4, "wind_dir": 120.0},
}
STACK = {"stack_pm": 12.1, "stack_so2": 33.0, "stack_nox": 120.5, "stack_co": 33.2, "stack_o2": 4.6, "stack_flow": 12.3}
RULES = {
    "construction": (("GB 12523-2025", "laeq-day", "laeq", 20), ("GB 12523-2025", "lafmax-night", "lafmax", 20)),
    "factory": (
        ("GB 13271-2014", "nox-in-use-gas", "stack_nox", 60),
        ("GB 13271-2014", "pm-in-use-gas", "stack_pm", 60),
    ),
}
"""By kind of site: standard, rule, quantity, length of a window in min."""


def say(text):
    """Tell a person how it goes; the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)


class City:
    """What the hub writes of some sites, as line protocol with times in s."""

    def __init__(self, sites, now, raw_days, year=YEAR, recent=2 * DAY):
        self.now = now - now % HOUR
        self.raw = self.now - round(raw_days * DAY)
        self.year, self.recent = year, recent
        self.sites = range(sites)
        self.night = self.now - (self.now + ZONE_S - 22 * HOUR) % DAY
        if self.now - self.night < 8 * HOUR:
            self.night -= DAY  # it is not over
        self.families = {key: quantity.family for key, quantity in load_quantities().items()}

    def place(self, n):
        """Return district, site, kind and board of a site by its number."""
        return f"d{n % 10}", f"site-{n}", "factory" if n % 6 == 0 else "construction", f"board-{n}"

    def names(self, n):
        """Return the fields that name a site and its district."""
        _, _, kind, _ = self.place(n)
        # Some names are as long as those of real sites.
        more = ("", "")
        if n % 8 == 5:
            more = (", Metro Line 3, northern interchange, lot 2", "城北轨道交通3号线换乘枢纽二标段")
        return (
            f'site_en="Site {n}{more[0]}",site_zh="站点{n}{more[1]}",site_kind="{kind}",'
            f'district_en="District {n % 10}",district_zh="区{n % 10}"'
        )

    def level(self, n):
        """Return a site's state: few exceed a limit, some are near one, of some nothing is known."""
        return 3 if n % 29 == 0 else 2 if n % 11 == 0 else 0 if n % 23 == 5 else 1

    def ratio(self, n):
        """Return the share of the limit that goes with it."""
        return {3: 1.2 + n % 7, 2: 0.7, 1: 0.1 + n % 5 / 10, 0: 0.0}[self.level(n)]

    def position(self, n):
        """Return the fields with where a site lies, spread over a city."""
        lat, lon = 30 + n * 37 % 1000 / 2500, 120 + n * 91 % 1000 / 2500
        return f"lat={lat},lon={lon},lat_gcj02={lat},lon_gcj02={lon}"

    def lines(self, n):
        """Yield every point of a site."""
        district, site, kind, device = self.place(n)
        tags = f"device={device},district={district},site={site}"
        families = FAMILIES | ({"stack": STACK, "gas": {"nmhc": 1.2}} if kind == "factory" else {})
        for family, values in families.items():
            variants = [",".join(f"{key}={value + i / 10:.1f}" for key, value in values.items()) for i in range(16)]
            head = f"{family},{tags} "
            for t in range(self.raw, self.now, MINUTE):
                yield f"{head}{variants[t // MINUTE % 16]} {t}"
            for period, begin in ((600, self.raw), (HOUR, self.now - self.year), (DAY, self.now - self.year)):
                yield from self.rollups(district, site, device, values, period, begin)
        yield from self.verdicts(tags, kind, n)
        yield from self.fleet(tags, n)
        offered = f'choice_en="Site {n} ({site})",choice_zh="站点{n} ({site})",'
        offered += f'choice_district_en="District {n % 10} ({district})",choice_district_zh="区{n % 10} ({district})"'
        for t in range(self.now - self.recent // 2, self.now, MINUTE):
            yield f"budget,{tags},quantity=laeq,rule=laeq-day,standard=GB\\ 12523-2025 used=0.4,limit_value=70 {t}"
            yield (
                f"state,district={district},kind={kind},site={site} level={self.level(n)}i,{self.position(n)},"
                f"ratio={self.ratio(n):.2f},value={70 + 10 * math.log10(self.ratio(n) or 1):.1f},"
                f'limit_value=70,unit="dB(A)",rule="GB 12523-2025 laeq-day",device="{device}",quantity="laeq",'
                f'{self.names(n)},{offered},rule_en="Day, 20 min LAeq",rule_zh="昼间20分钟等效声级",end={t}i '
                f"{t + self.level(n)}"  # within its minute the later the worse, as the hub has it
            )
        yield f"place,district={district},kind={kind},site={site} boards=1i,{self.names(n)},{offered} {self.now - HOUR}"
        for t in range(self.raw, self.now, 7 * HOUR):
            yield f"flagged,{tags},flag=C,quantity=pm10 dt=60,value=9 {t}"
            said = 'text_en="PM10 160, on at 150",text_zh="PM10为160，达到150开启"'
            yield f"event,{tags},event=relay count=1i,{said},{self.names(n)} {t}"
        if self.level(n) == 3:
            rule = f"binding=binds,device={device},district={district},quantity=laeq,rule=laeq-night,site={site}"
            yield (
                f"verdict_night,{rule},standard=GB\\ 12523-2025 windows=24i,exceeded=3i,uncorrected=0i,open=0i,"
                f'invalid=0i,exceeded_s=3600i,highest=61.5,limit_value=55,margin=6.5,unit="dB(A)",{self.names(n)},'
                f'rule_en="Night, 20 min LAeq",rule_zh="夜间20分钟等效声级" {self.night}'
            )
            yield (
                f"alert,{tags},kind=limit,rule=GB\\ 12523-2025\\ laeq-night,standard=GB\\ 12523-2025 id={n}i,open=1i,"
                f'state="firing",severity="violation",fired={self.now - 9 * HOUR},value=61.5,limit_value=55,'
                f'unit="dB(A)",text_en="61.5 dB(A), limit 55 dB(A)",text_zh="61.5 dB(A)，限值55 dB(A)",'
                f"{self.names(n)} {self.now - 9 * HOUR}"
            )
        for t in range(self.now - self.year, self.now, 3 * DAY):
            yield (
                f"alert,{tags},kind=limit,rule=GB\\ 12523-2025\\ laeq-day,standard=GB\\ 12523-2025 id={t}i,open=0i,"
                f'state="closed",severity="violation",value=73.1,limit_value=70,unit="dB(A)",text_en="told",text_zh="告",'
                f'acknowledged_by="officer-2",acknowledged_after_s=600,resolved_after_s=3600,{self.names(n)} {t}'
            )

    def rollups(self, district, site, device, values, period, begin):
        """Yield the rollups of one family: the hub's own lines, at each of their times."""
        rolled = [
            Rollup(district, site, device, key, period, 0, value, 0.98, value + 9, value - 9)
            for key, value in values.items()
            if key not in {"l10", "l50", "l90"}
        ]
        for line in rollup_lines(rolled, self.families):
            head = line.removesuffix(" 0")
            first = begin - (begin + ZONE_S) % period + period
            for t in range(first, self.now, period):
                yield f"{head} {t}"

    def verdicts(self, tags, kind, n):
        """Yield single verdicts, and the days' counts."""
        for standard, rule, quantity, minutes in RULES[kind]:
            of = f"{tags},binding=binds,quantity={quantity},rule={rule},standard={standard.replace(' ', chr(92) + ' ')}"
            rest = (
                'limit_value=70,unit="dB(A)",capture=0.99,invalid=0i,permitted=0i,revision=1i,verified="S",'
                f'rule_en="Rule {rule}",rule_zh="规则{rule}",{self.names(n)}'
            )
            kept = 'value=66.1,ratio=0.4,margin=-4,outcome="compliant",exceeded=0i'
            above = 'value=73.4,ratio=2.2,margin=3.4,outcome="exceeded",exceeded=1i'
            for t in range(self.raw, self.now, minutes * MINUTE):
                found = above if self.level(n) == 3 and t >= self.now - HOUR else kept
                yield f"verdict,{of} {found},{rest},end={t + 60 * minutes}i {t}"
            first = self.now - self.year
            for t in range(first - (first + ZONE_S) % DAY + DAY, self.now, DAY):
                yield (
                    f"verdict_24h,{of} windows=72i,exceeded={t // DAY % 5 // 4}i,uncorrected=0i,open=0i,invalid=0i,"
                    "exceeded_s=1200i,"
                    f'capture=0.99,highest=68.2,limit_value=70,ratio=0.7,rule_en="Rule {rule}",rule_zh="规则{rule}",'
                    f"{self.names(n)} {t}"
                )

    def fleet(self, tags, n):
        """Yield the state of a board: each minute's lately, each hour's and each day's of the year."""
        silent = self.level(n) == 0
        state = (
            f"silent={int(silent)}i,online={int(not silent)}i,silent_s={7 * HOUR if silent else 20},last_heard=1,"
            'clock="ntp",clock_level=2i,relay=0i,faulty=0i,cal_due_days=90i,depth=1,dropped=0,rssi=-70,heap_free=51200,'
            f'agent="0.1.0",runtime="MicroPython",{self.names(n)}'
        )
        for measurement, step, length in (
            ("fleet", MINUTE, self.recent),
            ("fleet_1h", HOUR, self.year),
            ("fleet_24h", DAY, self.year),
        ):
            for t in range(self.now - length, self.now, step):
                yield f"{measurement},{tags} {state} {t}"

    def of_the_city(self):
        """Yield what is written once for all sites."""
        district = "pm25=31,pm10_capture=0.97,stack_nox_capture=0.99"
        for t in range(self.now - self.year, self.now, HOUR):
            for n in range(10):
                own = f"aqi={51 + 4 * n}i,level=2i,pm10={52 + 8 * n},laeq={57 + n},laeq_capture={0.98 - n / 25}"
                own += ',level_en="good",level_zh="良"'
                yield f"district,district=d{n},district_en=District\\ {n},district_zh=区{n} {district},{own} {t}"
        for t in range(self.raw, self.now, MINUTE):
            yield f"hub,hub=hub-1 heartbeat=1i,at={t},heard={t},log_offset={t}i,lag_s=0.5,backlog_store=3i {t}"
            refused = (t - self.raw) // MINUTE
            yield f"quarantine,device=board-1,district=d1,site=site-1,reason=schema messages={refused}i {t}"


def write(port, lines):
    """Write points in requests of `LINES`; return how many."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    count, waiting = 0, []

    def flush():
        connection.request("POST", "/write?db=fenceline&precision=s", "\n".join(waiting).encode())
        with connection.getresponse() as answer:
            if answer.status != 204:
                raise RuntimeError(answer.read().decode())
        waiting.clear()

    for line in lines:
        waiting.append(line)
        count += 1
        if len(waiting) == LINES:
            flush()
    if waiting:
        flush()
    connection.close()
    return count


def write_site(arguments):
    """Write the points of one site, in a process of its own; of no site: those of the whole city."""
    port, city, n = arguments
    return write(port, city.of_the_city() if n is None else city.lines(n))


def twin(statement):
    """Return the same question of raw data; None if the statement reads nothing that was made of raw data."""
    if '_capture"' in statement:
        since, until = (int(ms) for ms in re.findall(r"(\d+)ms", statement))
        counted = 'SELECT count("{}") / {} AS "share" FROM "{}" WHERE {} GROUP BY "district", "device"'
        where = f"time > {since}ms AND time <= {until}ms"
        asked = [
            counted.format(key, (until - since) // 60_000, family, where)
            for family, key in (("noise", "laeq"), ("dust", "pm10"), ("stack", "stack_nox"))
        ]
        return ";".join(f'SELECT mean("share") FROM ({one}) WHERE {where} GROUP BY "district"' for one in asked)
    raw = re.sub(r" AND \d+ - \d+ (>|<=) \d+", "", statement)
    rollup = "|".join(PERIODS.values())
    raw, found = re.subn(rf'FROM "(\w+?)_(?:{rollup})"', r'FROM "\1"', raw)
    counts = {"windows": "exceeded", "exceeded_s": "exceeded", "highest": "value"}
    if 'FROM "verdict"' in raw:
        for name, instead in counts.items():
            raw = raw.replace(f'"{name}")', f'"{instead}")').replace(f'SELECT "{name}"', f'SELECT "{instead}"')
    return raw if found else None


def chosen(statement):
    """Tell whether a statement is meant for its range: its comparisons of constants hold."""
    return all(
        (int(a) - int(b) > int(c)) if sign == ">" else (int(a) - int(b) <= int(c))
        for a, b, sign, c in re.findall(r"AND (\d+) - (\d+) (>|<=) (\d+)", statement)
    )


class Asker:
    """Asks and takes the time, on one connection."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, statements):
        """Return ms, and the rows, of statements asked one after the other."""
        begin, answers = time.perf_counter(), []
        for statement in statements:
            self._connection.request("GET", "/query?" + urlencode({"q": statement, "db": "fenceline", "epoch": "ms"}))
            with self._connection.getresponse() as answer:
                answers.append(answer.read())
        took = (time.perf_counter() - begin) * 1000
        rows = 0
        for content in answers:
            for result in json.loads(content)["results"]:
                if "error" in result:
                    raise RuntimeError(result["error"])
                rows += sum(len(series.get("values", ())) for series in result.get("series", ()))
        return took, rows


def panels(now, length, interval):
    """Return the statements of each panel by dashboard and title, for a range that ends now."""
    start, end = (dt.datetime.fromtimestamp(t, dt.UTC) for t in (now - length, now))
    places = {"site": ("d1", "site-1", "board-1"), "factory": ("d6", "site-6", "board-6")}
    found = {}
    for name in ("city", "site", "factory", "verdicts", "fleet", "public"):
        for one in queries(Lang.EN, *places.get(name, (".*", ".*", ".*")), start, end, interval):
            if one.dashboard == name and not one.panel.startswith("$"):
                found.setdefault((name, one.panel), []).append(one.statement)
    return found


def centiles(values):
    """Return p50 and p95, ms; of few values the highest is p95."""
    ordered = sorted(values)
    return round(statistics.median(ordered), 2), round(ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))], 2)


def measure(port, city, repeat, raw_repeat):
    """Return the figures of each panel, by dashboard and title and then by range."""
    asker, figures = Asker(port), {}
    asked = {name: panels(city.now, length, interval) for name, (length, interval) in RANGES.items()}
    turns = []
    for raw, times in ((False, repeat), (True, raw_repeat)):
        some = [(name, panel, raw) for name in asked for panel in asked[name] for _ in range(times)]
        random.Random(6).shuffle(some)
        turns += some
    taken = {}
    with Progress(console=Console(stderr=True)) as progress:
        for name, panel, raw in progress.track(turns, description="asking"):
            statements = asked[name][panel]
            if raw:
                statements = [one for one in (twin(each) for each in statements if chosen(each)) if one]
                if not statements:
                    continue
            took, rows = asker.ask(statements)
            times, _ = taken.setdefault((panel, name, raw), ([], rows))
            times.append(took)
    for (panel, name, raw), (times, rows) in taken.items():
        p50, p95 = centiles(times)
        one = figures.setdefault(panel, {}).setdefault(name, {})
        one |= {"raw_p50": p50, "raw_p95": p95} if raw else {"p50": p50, "p95": p95, "rows": rows}
    return figures


def show(figures):
    """Print a table for people: p95 in ms, and beside it that of raw data."""
    say(f"\n  {'p95, ms (raw)':58}" + "".join(f"{name:>22}" for name in RANGES))
    for (board, panel), by_range in sorted(figures.items()):
        cells = ""
        for name in RANGES:
            one = by_range[name]
            raw = f"({one['raw_p95']:,.0f})" if "raw_p95" in one else "(-)"
            cells += f"{one['p95']:>12,.1f} {raw:>9}"
        say(f"  {board + ': ' + panel:58}{cells}")


def main():
    """Fill, measure, tell people on standard error and programs on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=200, help="how many sites, of one board each (default: 200)")
    parser.add_argument("--raw-days", type=int, default=30, help="days of raw data (default: 30)")
    parser.add_argument("--repeat", type=int, default=20, help="how often each panel is asked (default: 20)")
    parser.add_argument("--raw-repeat", type=int, default=1, help="how often its raw twin is asked (default: 1)")
    parser.add_argument("--rest", type=int, default=30, help="seconds of rest after writing (default: 30)")
    options = parser.parse_args()
    if options.sites < 10 or options.raw_days < 1 or options.repeat < 1 or options.raw_repeat < 1:
        parser.error("--sites is at least 10, and the others at least 1, for example --sites 50 --raw-days 7")
    found = stack.PARTS["influxdb"].find()
    if found is None:
        say("InfluxDB is missing: 'python -m tests.stack' fetches it, or says why it can't")
        sys.exit(2)
    with tempfile.TemporaryDirectory() as folder:
        server = InfluxDB(found.path, Path(folder), free_port(), free_port())
        try:
            server.create_database("fenceline")
            city = City(options.sites, int(time.time()), options.raw_days)
            jobs = [(server.port, city, n) for n in (None, *city.sites)]
            begin, points = time.monotonic(), 0
            with multiprocessing.Pool(2) as pool, Progress(console=Console(stderr=True)) as progress:
                filling = pool.imap_unordered(write_site, jobs)
                for count in progress.track(filling, total=len(jobs), description="writing a year"):
                    points += count
            filled = time.monotonic() - begin
            time.sleep(options.rest)
            panels_ = measure(server.port, city, options.repeat, options.raw_repeat)
        finally:
            server.stop()
    show(panels_)
    of_city = {panel: by_range["30 d"] for (board, panel), by_range in panels_.items() if board == "city"}
    slowest = max(of_city, key=lambda panel: of_city[panel]["p95"])
    raw = max(of_city, key=lambda panel: of_city[panel].get("raw_p95", 0))
    p95, raw_p95 = of_city[slowest]["p95"], of_city[raw]["raw_p95"]
    print(
        json.dumps(
            {
                "sites": options.sites,
                "raw_days": options.raw_days,
                "points": points,
                "fill_s": round(filled, 1),
                "city_30d": {
                    "slowest": slowest,
                    "p95": p95,
                    "raw_slowest": raw,
                    "raw_p95": raw_p95,
                    "ratio": round(p95 / raw_p95, 5),
                    "same_panel": round(of_city[raw]["p95"] / raw_p95, 5),
                },
                "panels": {f"{board}: {panel}": by_range for (board, panel), by_range in panels_.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
