"""The measurement of the console in a city that is small enough for a test: it ends by itself and tells its figures."""

import json
import subprocess
import sys

from tests.bench.parts import ROOT

SMALL = ["--sites", "6", "--alerts", "60", "--verdicts", "600", "--cases", "40", "--requests", "2", "--rounds", "0"]


def test_every_page_is_measured_for_every_visitor():
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.console", *SMALL],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["pages"]) >= {"today", "alert", "map", "site", "verdicts", "fleet", "cases", "case", "evaluation"}
    for name, figures in told["pages"].items():
        assert 0 < figures["p50_ms"] <= figures["p95_ms"], name
        assert figures["ratio"] > 0
    assert 0 < told["later_visit_kb"] < told["first_visit_kb"]
    assert (told["alerts"], told["verdicts"]) == (60, 600)
    assert set(told["aims"]) == {"p95", "first_visit", "later_visit"}
