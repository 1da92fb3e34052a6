"""The alerts of a small city: verdicts as judging gives them, a clock that the test sets, a web hook on loopback."""

import contextlib
import io
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fenceline
from hub.alerts.life import Alerts
from hub.config.alerts import Alerting
from hub.desk.desk import Desk
from hub.judge.averaging import rounded
from hub.judge.verdicts import Verdict
from hub.judge.verdicts import Warning as Early
from hub.storage.database import transaction
from schemas import load_limits
from tests.hub.helpers import CITY, QUIET_TOML, at, dicts, open_all
from tests.hub.registry_files import Ended

NINE = at("2026-03-02 09:00")
ELEVEN_PM = at("2026-03-02 23:00")
WINDOW = 1200
DAY, NIGHT = "GB 12523-2025 laeq-day", "GB 12523-2025 laeq-night"
LIMITS = {f"{s.id} {n.id}": (s, n) for s, n in load_limits() if s.id == "GB 12523-2025"}


def verdict(
    value,
    *,
    start=NINE,
    device="fence-1",
    rule=DAY,
    outcome="",
    revision=1,
    judged=0.0,
    capture=1.0,
    background=20.0,
    **more,
):
    """Return the verdict on a window of 20 min; its outcome follows from the value unless it is given.

    `more`: further fields of the verdict, in place of those that follow.
    """
    standard, limit = LIMITS[rule]
    site = CITY.site_of(device)
    compared = None if value is None else rounded(value, 0)
    above = compared is not None and compared > limit.value
    if not outcome:
        known = "exceeded" if background is not None else "above_uncorrected"
        outcome = "invalid" if value is None else known if above else "compliant"
    found = Verdict(
        district=site.district,
        site=site.id,
        device=device,
        rule=rule,
        standard=standard,
        limit=limit,
        quantity=limit.quantity,
        start=start,
        end=start + WINDOW,
        value=value,
        compared=compared,
        background=background,
        limit_value=limit.value,
        unit="dB(A)",
        decimals=1,
        capture=capture,
        outcome=outcome,
        grade={"exceeded": "violation", "above_uncorrected": "suspicion"}.get(outcome, ""),
        reason="too_little" if value is None else "",
        missing="",
        assumed="",
        permitted=False,
        revision=revision,
        judged=judged,
        binding="binds",
    )
    return replace(found, **more)


def early(used=0.8, *, start=NINE, device="fence-1", rule=DAY, certain=False, reached_at=None):
    """Return an early warning of a window of 20 min."""
    v = verdict(0.0, start=start, device=device, rule=rule)
    place = (v.district, v.site, v.device, v.rule, v.standard, v.limit, v.quantity, v.start, v.end)
    return Early(*place, v.limit_value, v.unit, used, certain, reached_at, start + 600.0)


class AlertCity:
    """The compliance database of a city as the hub's processes use it; `now` is the clock."""

    def __init__(self, folder, settings=None, levels=0, registry=CITY, now=NINE):
        self.folder, self.now, self.registry = folder, float(now), registry
        self.settings, self.levels = settings or Alerting(), levels
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        self.db = open_all(self.folder / "compliance.db")
        self.alerts = Alerts(self.db, self.registry, self.clock, self.settings, self.levels)
        self.desk = Desk(open_all(self.folder / "compliance.db"), self.clock)

    def close(self):
        self.db.close()
        self.desk.book.db.close()

    def kill(self):
        """End the processes and start them again."""
        self.close()
        self.open()

    def clock(self):
        return self.now

    def judge(self, value, *, news=True, late=5, **more):
        """Take the verdict on a window `late` seconds after its end."""
        one = verdict(value, **more)
        self.now = max(self.now, one.end + late)
        with transaction(self.db):
            self.alerts.judged(one, news=news)

    def warn(self, **more):
        one = early(**more)
        self.now = max(self.now, one.seen)
        with transaction(self.db):
            self.alerts.warn(one)

    def wait(self, seconds):
        self.now += seconds
        with transaction(self.db):
            self.alerts.pass_time()

    def rows(self, sql="SELECT * FROM alert ORDER BY id"):
        return dicts(self.db.execute(sql))

    def alert(self):
        (alert,) = self.rows()
        return alert

    def steps(self, alert=1):
        return self.rows(f"SELECT * FROM alert_step WHERE alert = {alert} ORDER BY id")

    def done(self, alert=1):
        """Return what happened to an alert, in order."""
        return [step["what"] for step in self.steps(alert)]


def write_files(folder, more=""):
    """Write the files of a hub that watches the city; return its configuration's path. `more`: further settings."""
    sites = "".join(
        f'[[site]]\nid = "{s.id}"\ndistrict = "{s.district}"\nkind = "{s.kind}"\nen = "{s.en}"\nzh = "{s.zh}"\n'
        + QUIET_TOML
        for s in CITY.sites.values()
    )
    boards = "".join(f'[[board]]\nid = "{board.id}"\nsite = "{board.site}"\n' for board in CITY.boards.values())
    (folder / "registry.toml").write_text(f'timezone = "Asia/Shanghai"\n{sites}{boards}', "utf-8")
    (folder / "keys.toml").touch(0o600)
    (folder / "keys.toml").write_text("".join(f'{id_} = "{key.hex()}"\n' for id_, key in CITY.keys.items()))
    config = folder / "fenceline.toml"
    config.write_text(f'registry = "registry.toml"\nkeys = "keys.toml"\n{more}', "utf-8")
    return config


def run(folder, command, *arguments):
    """Run `fenceline COMMAND ...` on the hub in `folder`, in this process."""
    config = () if "--help" in arguments else ("--config", str(folder / "fenceline.toml"))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = fenceline._run(command, [*map(str, arguments), *config])
    return Ended(code, out.getvalue(), err.getvalue())


class Hook:
    """A web hook on loopback. `answers` are the codes it gives one after the other, 200 behind them."""

    def __init__(self, port=0):
        self.got, self.answers, self.hangs = [], [], threading.Event()
        self.times = []  # when each came, Unix s
        self.released = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.times.append(time.time())
                hook.got.append((self.path.partition("?")[0], said["title"], said["message"]))
                if hook.hangs.is_set():
                    hook.released.wait(30)
                    return
                self.send_response(hook.answers.pop(0) if hook.answers else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port

    def url(self, path="hook"):
        return f"json://127.0.0.1:{self.port}/{path}"

    def texts(self, path="hook"):
        return [text for at_, _, text in self.got if at_ == f"/{path}"]


@contextmanager
def a_hook(port=0):
    """Run a web hook; leaving it, nobody listens any more."""
    hook = Hook(port)
    thread = threading.Thread(target=hook.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hook
    finally:
        hook.released.set()
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


def until(condition, seconds=20):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found
