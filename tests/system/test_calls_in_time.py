"""A call for help is told within 5 s, whatever else is so: a real hub, a real broker that floods, a real web hook.

`told`: by the recipient's clock, from the moment at which the badge sends; by the hub's, from the commit.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hub.config.files import load_config
from hub.intake.admission import Admission
from hub.log.log import Log
from hub.registry.live import LiveRegistry
from schemas import load_quantities
from sim.city.account import read_only
from tests.bench import load
from tests.bench.parts import Broker
from tests.conftest import require
from tests.hub.alerting import a_hook
from tests.hub.intake.badges.badge import BadgeHub, Watch, registry, said
from tests.hub.intake.frame_hub import until
from tests.ports import free_port
from tests.system.test_flood import RECORDS, messages
from tests.wrong_clock import WrongClock, clean_up

ROOT = Path(__file__).resolve().parent.parent.parent
SOS = 1 << 16
WITHIN = 5.0
"""On a machine that has as many processors as it has to do [s]."""
BOARDS = 10
BACKLOG = 60
"""Messages of `RECORDS` records each that are in the log and not judged."""


def within():
    """Return what is allowed on this machine just now [s]: five on one processor take five times as long."""
    return WITHIN * max(1.0, os.getloadavg()[0] / os.cpu_count())


class City:
    """A hub as it runs, with boards that flood it, badges, and somebody who is told."""

    def __init__(self, folder, broker, hook):
        self.folder, self.broker, self.hook = folder, broker, hook
        self.clock = WrongClock(require("faketime"), folder)
        self.fleet = load.Fleet(BOARDS)
        self.port, self.http = free_port(), free_port()
        (folder / "url").touch(0o600)
        (folder / "url").write_text(hook.url())
        more = f'[badges]\nport = {self.port}\n[[recipient]]\nname = "duty"\nurl_file = "url"\n'
        self.config = self.fleet.write(folder, broker.port, more)
        with (folder / "registry.toml").open("a", encoding="utf-8") as file:
            file.write(registry(*range(1, 10)).replace('"tower"', '"s0"'))
        self.flood = messages(self.fleet, "b0", 100, "00000000", RECORDS)
        self._fill()
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", self.config]
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | self.clock.environment
        environment |= {"FAKETIME_CACHE_DURATION": "1", "FAKETIME_NO_CACHE": "0"}  # the file is not read at each look
        with (folder / "hub.log").open("ab") as log:
            self.hub = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        until(self._listens, "the hub listens", 60)

    def _fill(self):
        """Put into the log what nobody has judged."""
        config = load_config(self.config)
        admission = Admission(LiveRegistry(config).current, load_quantities(), time.time)
        with closing(Log(config.data / "log.db")) as log:
            for topic, payload in messages(self.fleet, "b1", BACKLOG, "00000001", RECORDS):
                log.commit([admission.judge(topic, payload)], time.time())

    def _listens(self):
        assert self.hub.poll() is None, (self.folder / "hub.log").read_text()
        try:
            Watch(self.port, 1).close()
        except OSError:
            return False
        return True

    def close(self):
        self.clock.set(0)
        self.hub.terminate()
        self.hub.wait(60)
        clean_up(self.hub.pid)

    def rows(self, name, sql):
        with read_only(self.folder / "data" / name) as db:
            return db.execute(sql).fetchall()

    def judged(self):
        """Tell whether nothing waits to be judged."""
        end = self.rows("log.db", "SELECT max(offset) FROM message")[0][0]
        return self.rows("compliance.db", "SELECT offset FROM position")[0][0] >= end

    def call(self, n, content=None, again=0):
        """Let a badge call; return what the recipient hears, after how long [s]."""
        before = len(self.hook.got)
        with Watch(self.port, n) as watch:
            sent = time.time()
            watch.send(content or said("AL", int(sent), status=SOS))
            for k in range(again):
                watch.send(said("AL", int(sent) - k, status=SOS))
            found = until(lambda: self._heard(before, watch.number, n), "somebody is told", 60)
        return found[0], found[1] - sent

    def _heard(self, before, number, n):
        for got, at in zip(self.hook.got[before:], self.hook.times[before:], strict=False):
            if "SOS" in got[2] and (number in got[2] or f"badge-{n})" in got[2]):
                return got[2], at
        return None

    @contextmanager
    def flooding(self):
        """Let boards and one badge send as much as they can, meanwhile."""
        over = threading.Event()
        packets = [load.publish_packet(topic.encode(), payload, n) for n, (topic, payload) in enumerate(self.flood)]

        def boards():
            publisher = load.Publisher(self.broker.port)
            while not over.is_set():
                publisher.send(packets[:50])
                over.wait(0.2)
            publisher.finish()

        def badge():
            with Watch(self.port, 9) as watch:
                n = 0
                while not over.is_set():
                    n += 1
                    watch.send(said("AL", int(time.time()) - n % 200, status=SOS, steps=n))
                    if n % 16 == 0:
                        watch.next_frame(20)

        threads = [threading.Thread(target=one) for one in (boards, badge)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    with Broker(folder / "broker") as broker, a_hook() as hook:
        made = City(folder, broker, hook)
        try:
            yield made
        finally:
            made.close()


def test_while_a_backlog_is_judged_and_boards_and_a_badge_flood(city):
    with city.flooding():
        until(lambda: any("badge-9)" in text for text in city.hook.texts()), "the flooding badge is told of", 60)
        told, after = city.call(1)
        assert not city.judged(), "it did not wait for judging"
        assert after <= within()
    assert "At 23.028800, 113.142700" in told
    assert sum("badge-9)" in text for text in city.hook.texts()) == 1, "told once, however often it calls"
    (late,) = city.rows(
        "compliance.db",
        "SELECT max(notification.sent - alert.opened) FROM notification JOIN alert ON alert.id = notification.alert "
        "WHERE alert.kind = 'sos'",
    )[0]
    assert late <= within(), "by the hub's own clock"


def test_without_a_fix_with_the_last_one_and_its_age_or_without_any(city):
    told, after = city.call(2, said("AL", int(time.time()), status=SOS, valid="V"))
    assert "Where is not known." in told
    assert after <= within()


def test_of_a_badge_that_nobody_registered(city):
    told, after = city.call(77)
    assert "which is not in the registry: SOS" in told
    assert after <= within()


def test_in_doubt_of_the_time(city):
    city.clock.set(86_400)
    until(lambda: "doubt" in (city.folder / "hub.log").read_text(), "the hub doubts its clock", 60)
    told, after = city.call(3)
    assert "Times are doubtful" in told
    assert after <= within()
    city.clock.set(0)


def test_with_a_full_disk(tmp_path):
    with a_hook() as hook:
        (tmp_path / "url").touch(0o600)
        (tmp_path / "url").write_text(hook.url())
        rest = '[keep]\nfree_mb = 1e12\nfree_percent = 100\n[[recipient]]\nname = "duty"\nurl_file = "url"\n'
        with BadgeHub(tmp_path, registry(1, 2), settings=rest) as hub, Watch(hub.port, 1) as one:
            sent = time.time()
            one.send(said("AL", int(sent), status=SOS))
            until(lambda: hook.got, "the duty officer is told", 60)
            assert hook.times[0] - sent <= within()
