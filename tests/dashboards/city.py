"""Fills an InfluxDB of its own for somebody who wants to see the dashboards, and keeps it until interrupted.

    python -m tests.dashboards.city               # the simulated week of three sites: everything occurs once
    python -m tests.dashboards.city --sites 1000  # a day of a large city, ended at eight in the morning

It prints the database's address, for `fenceline grafana push --store-url`, and the end of its time range in Unix ms,
for `tests.dashboards.pictures`.
"""

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path

from tests.bench.dashboards import DAY, HOUR, ZONE_S, City, write
from tests.dashboards import week
from tests.dashboards.test_week import ours

LATELY = 2 * HOUR
"""How far back every minute is there [s]: a thousand sites give 50,000 points in ten minutes."""

MORNING = 8 * HOUR
"""Local time of day when an inspector reads them [s]."""


def main():
    """Fill it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=0, help="a city of so many sites; 0: the simulated week")
    sites = parser.parse_args().sites
    with tempfile.TemporaryDirectory() as folder, ours(Path(folder)) as (engine, writes, bucket):
        if sites:
            now = int(time.time())
            city = City(sites, now - (now + ZONE_S - MORNING) % DAY, LATELY / DAY, year=8 * DAY, recent=LATELY)
            port = int(engine.url.rpartition(":")[2])
            for n in (None, *range(sites)):
                write(port, city.of_the_city() if n is None else city.lines(n))
            end = city.now
        else:
            for name, value in zip(("URL", "TOKEN", "ORG"), writes, strict=True):
                os.environ[f"INFLUXDB_V2_{name}"] = value
            with week.live(Path(folder), bucket):
                pass
            end = week.NOW + 2 * week.MINUTE
        print(f"{engine.url} {end * 1000:.0f}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)


if __name__ == "__main__":
    main()
