"""People are told of alerts through real sockets: web hooks that refuse, hang and come back, a mail server, a kill."""

import contextlib
import datetime as dt
import email
import email.policy
import io
import logging
import os
import random
import socketserver
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import msgspec
import pytest

from hub.alerts.network import Network
from hub.config.alerts import Alerting, Recipient
from hub.config.files import ConfigError, load_config
from hub.notify import sender as notify
from hub.notify.queue import PATIENCE, Queue
from hub.notify.recipients import address, is_awake, recipients
from hub.notify.sender import Notifier, send, without_secrets
from hub.notify.text import MOST_ROWS, TYPES, Composer, Message
from hub.process import child
from hub.run.consumers import Job
from hub.run.hub import count_alerts
from hub.storage.database import transaction
from hub.watch.text import deaf, silent
from schemas.language import Text
from tests.hub.alerting import ELEVEN_PM, NIGHT, NINE, WINDOW, AlertCity, a_hook, run, until, write_files
from tests.hub.helpers import CITY, SHANGHAI, query
from tests.markdown import read

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SECRET = "k3y-nobody-may-see"


@pytest.fixture
def quick(monkeypatch):
    """Retry after tenths of a second instead of seconds."""
    monkeypatch.setattr("hub.notify.queue.FIRST_PAUSE", 0.1)
    monkeypatch.setattr("hub.notify.queue.SHORTEST_PAUSE", 0.05)


@pytest.fixture
def city(tmp_path):
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data") as city:
        yield city


def settings(folder, *people, **alerting):
    """Return the configuration of a hub with recipients: each a dict with `url`, which goes into a file of its own."""
    lines = ["[alerts]", *(f"{key} = {value!r}" for key, value in alerting.items())]
    for i, one in enumerate(people):
        file = folder / f"url-{i}"
        file.touch(0o600)
        file.write_text(one["url"])
        rest = {"name": f"person-{i}", "lang": "en"} | {k: v for k, v in one.items() if k != "url"}
        lines += ["[[recipient]]", f'url_file = "{file.name}"', *(f"{key} = {value!r}" for key, value in rest.items())]
    return load_config(write_files(folder, "\n".join(lines) + "\n"))


@contextlib.contextmanager
def notifier(config, clock=time.time):
    """Run the hub's notifier."""
    thread = Notifier(config, lambda: CITY, clock)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
        thread.join(20)
        assert not thread.is_alive()


def sent(city):
    """Return (recipient, step, state) of every notification."""
    sql = "SELECT n.recipient, s.what, n.state FROM notification n JOIN alert_step s ON s.id = n.step ORDER BY n.id"
    return [tuple(row.values()) for row in city.rows(sql)]


def all_sent(city, count):
    return lambda: [state for _, _, state in sent(city)] == ["sent"] * count


def test_a_message_tells_everything_that_an_officer_needs_in_each_recipients_language(tmp_path, city):
    with a_hook() as hook:
        config = settings(
            tmp_path,
            {"url": hook.url("en")},
            {"url": hook.url("zh"), "lang": "zh"},
            {"url": hook.url("both"), "lang": "both"},
            link="https://city.example/d/site?var-site={site}&alert={alert}",
        )
        city.judge(74.0, capture=0.98)
        with notifier(config):
            until(all_sent(city, 3))
        titles = {path: title for path, title, _ in hook.got}
        (en,), (zh,), (both,) = hook.texts("en"), hook.texts("zh"), hook.texts("both")
    assert titles["/en"] == "Fenceline [violation] Clock Tower fence-1: firing, final"
    assert titles["/zh"] == "Fenceline [超标] 钟楼 fence-1: 告警（已定论）"
    assert en == (
        "Clock Tower (north, board fence-1): 74.0 dB(A), limit 70 dB(A). Day, 20 min LAeq, "
        "2026-03-02 09:00 to 09:20, data capture 98 %. GB 12523-2025; limit verified: S (secondary source), "
        "averaging: U (unverified). The instrument's class is not stated.\n"
        "Firing, final, since 2026-03-02 09:00.\n"
        "Alert no. 1. https://city.example/d/site?var-site=tower&alert=1"
    )
    for part in ("钟楼", "74.0 dB(A)", "限值70 dB(A)", "昼间20分钟等效声级", "《建筑施工噪声排放标准》；限值"):
        assert part in zh
    for part in ("S（二手来源）", "平均方式：U（未核实）", "已定论", "自2026-03-02 09:00起", "告警编号：1"):
        assert part in zh
    assert both == f"{en}\n{zh}"


def test_an_early_warning_says_so_and_is_followed_by_what_came_of_it(tmp_path):
    (tmp_path / "data").mkdir()
    with a_hook() as hook, AlertCity(tmp_path / "data", now=int(time.time()) // WINDOW * WINDOW) as city:
        config = settings(tmp_path, {"url": hook.url()})
        start = int(city.now)
        city.warn(start=start, reached_at=start + 660)
        with notifier(config, city.clock):
            until(all_sent(city, 1))
            city.judge(69.0, start=start)
            until(all_sent(city, 2))
        first, second = hook.got
    assert first[1] == "Fenceline [warning] Clock Tower fence-1: early warning"
    assert "80 % of what" in first[2]
    assert "Early: not a verdict" in first[2]
    assert "early warning withdrawn: 69.0 dB(A), limit 70 dB(A): kept" in second[2]


def test_a_trouble_of_the_network_is_told_by_its_name(tmp_path, city):
    network = Network(city.desk.book, CITY)
    place = Text("Clock Tower (north, board fence-1)", "钟楼（north，设备fence-1）")
    with a_hook() as hook:
        config = settings(tmp_path, {"url": hook.url(), "lang": "zh"}, {"url": hook.url("en")})
        with transaction(city.desk.book.db):
            network.trouble(silent("fence-1", place, NINE - 900, NINE))
            network.trouble(deaf(3, NINE - 900, NINE))
        with notifier(config):
            until(all_sent(city, 4))
            with transaction(city.desk.book.db):
                network.over("fence-1", "board silent", Text("the board is heard again", "设备恢复上报"))
            until(all_sent(city, 6))
        zh, en = ([title for path, title, _ in hook.got if path == of] for of in ("/hook", "/en"))
    assert zh == [
        "Fenceline [预警] 钟楼 fence-1: 设备失联",
        "Fenceline [严重] 数据中心: 全部设备失联",
        "Fenceline [预警] 钟楼 fence-1: 设备失联，已解除",
    ]
    assert en[1] == "Fenceline [critical] the hub: no board heard"
    assert en[2] == "Fenceline [warning] Clock Tower fence-1: board silent, resolved"


def queue(city, *people, digest_above=10):
    return Queue(city.db, list(people), city.clock, digest_above)


def person(name, **more):
    return Recipient(name=name, url_env=name.upper(), **more)


def chosen(city, *people):
    queue(city, *people).choose(city.registry)
    return {(who, what) for who, what, _ in sent(city)}


def test_each_recipient_is_told_of_its_districts_kinds_and_severities(city):
    people = (
        person("all"),
        person("north", districts=("north",)),
        person("south", districts=("south",)),
        person("factories", kinds=("factory",)),
        person("sites", kinds=("construction",)),
        person("grave", least="critical"),
        person("quiet", tell=("escalated",)),
        person("chief", level=1),
    )
    city.judge(74.0)
    told = chosen(city, *people)
    assert told == {(name, "firing") for name in ("all", "north", "sites")}
    city.judge(85.0, start=NINE + WINDOW)
    assert chosen(city, *people) - told == {(name, "raised") for name in ("all", "north", "sites", "grave")}


def test_the_hubs_own_troubles_have_no_district(city):
    with transaction(city.desk.book.db):
        Network(city.desk.book, CITY).trouble(deaf(3, NINE, NINE + 900))
    assert chosen(city, person("south", districts=("south",), kinds=("factory",))) == {("south", "firing")}


def test_the_next_level_is_called_when_nobody_acknowledges(tmp_path):
    desk, chief, mayor = person("desk"), person("chief", level=1), person("mayor", level=2)
    with AlertCity(tmp_path, Alerting(escalate_minutes={"violation": 30}), levels=2) as city:
        city.judge(74.0)
        city.wait(1801)
        assert chosen(city, desk, chief, mayor) == {("desk", "firing"), ("chief", "escalated")}
        city.judge(74.0, start=NINE + 2 * WINDOW)
        city.wait(1801)
        assert ("mayor", "escalated") in chosen(city, desk, chief, mayor)
        for n in (4, 5):
            city.judge(60.0, start=NINE + n * WINDOW)
        resolved = chosen(city, desk, chief, mayor)
        assert {who for who, what in resolved if what == "resolved"} == {"desk", "chief", "mayor"}


@pytest.mark.parametrize(
    ("hours", "local", "awake"),
    [
        (None, "03:00", True),
        ("08:00-18:00", "07:59", False),
        ("08:00-18:00", "08:00", True),
        ("08:00-18:00", "18:00", False),
        ("22:00-06:00", "23:00", True),
        ("22:00-06:00", "05:59", True),
        ("22:00-06:00", "06:00", False),
    ],
)
def test_messages_are_sent_in_a_recipients_hours(hours, local, awake):
    when = dt.datetime.fromisoformat(f"2026-03-02 {local}").replace(tzinfo=SHANGHAI)
    assert is_awake(person("desk", hours=hours), when) is awake


def test_what_comes_at_night_waits_for_the_morning_and_a_stale_warning_is_left_out(tmp_path):
    day = person("day", hours="08:00-18:00")
    with AlertCity(tmp_path, now=ELEVEN_PM) as city:
        city.warn(start=ELEVEN_PM, rule=NIGHT)
        city.judge(50.0, start=ELEVEN_PM, rule=NIGHT)
        city.judge(60.0, start=ELEVEN_PM + WINDOW, rule=NIGHT)
        people = queue(city, day)
        people.choose(CITY)
        assert people.take(day, CITY) == []
        city.now = NINE + 86_400
        rows = people.take(day, CITY)
        assert [(row.alert.id, row.event.what) for row in rows] == [(2, "firing")]
        assert sent(city) == [
            ("day", "early", "dropped"),
            ("day", "withdrawn", "dropped"),
            ("day", "firing", "sending"),
        ]


def test_a_hook_that_refuses_answers_500_and_comes_back_gets_each_step_once(tmp_path, city, quick):
    with a_hook() as hook:
        port = hook.port
        config = settings(tmp_path, {"url": hook.url()})
    city.judge(74.0)
    with notifier(config):
        error = until(lambda: city.rows("SELECT error FROM notification WHERE error IS NOT NULL"))
        assert error == [{"error": "A Connection error occurred sending JSON notification to 127.0.0.1."}]
        assert count_alerts(tmp_path / "data" / "compliance.db") == (1, {"waiting": 1, "failing": 1, "refused": 0})
        with a_hook(port) as hook:
            hook.answers[:] = [500, 503, 404]
            until(all_sent(city, 1))
            assert len(hook.got) == 4
            city.judge(60.0, start=NINE + WINDOW)
            city.judge(60.0, start=NINE + 2 * WINDOW)
            until(all_sent(city, 2))
            texts = hook.texts()
    assert len(texts) == 5
    assert len(set(texts[:4])) == 1
    assert "Possibly repeated" not in "".join(texts), "the service has said that it did not take it"
    assert "resolved: 60.0 dB(A)" in texts[4]


def test_an_answer_that_never_came_is_told_with_the_repetition(tmp_path, city, quick):
    with a_hook() as hook:
        config = settings(tmp_path, {"url": f"{hook.url()}?rto=0.2"})
        hook.hangs.set()
        city.judge(74.0)
        with notifier(config):
            until(lambda: hook.got)
            until(lambda: city.rows("SELECT 1 FROM notification WHERE repeated = 2"))
            hook.hangs.clear()
            hook.released.set()
            until(all_sent(city, 1))
        first, *_, last = hook.texts()
    assert "Possibly repeated" not in first
    assert last.endswith("Possibly repeated: whether an earlier attempt arrived is not known.")


def test_one_recipient_that_is_down_delays_no_other(tmp_path, city):
    with a_hook() as down, a_hook() as up:
        config = settings(tmp_path, {"url": f"{down.url()}?rto=5"}, {"url": up.url()})
        down.hangs.set()
        city.judge(74.0)
        with notifier(config):
            until(lambda: up.got, 4)
            down.hangs.clear()
            down.released.set()


def test_a_message_that_is_always_refused_holds_up_none_behind_it(city):
    desk = person("desk")
    people = queue(city, desk)
    city.judge(74.0)
    people.choose(CITY)
    for _ in range(PATIENCE):
        rows = people.take(desk, CITY)
        people.failed(rows, "error=400")
        city.now += 301
    city.judge(74.0, device="fence-2")
    people.choose(CITY)
    (second,) = people.take(desk, CITY)
    assert second.alert.id == 2
    people.sent([second])
    (first,) = people.take(desk, CITY)
    assert first.alert.id == 1


def storm(city, sites=60):
    """Let many boards break their limits at once."""
    before = city.rows("SELECT count(*) AS n FROM alert")[0]["n"]
    with transaction(city.db):
        for n in range(before, before + sites):
            city.db.execute(
                "INSERT INTO alert (kind, district, site, device, rule, state, severity, opened, fired, first, last, "
                "value, limit_value, unit, quantity, standard, clause, verified, exceeded, text) VALUES ('limit', "
                "'north', 'tower', ?, 'GB 12523-2025 laeq-day', 'firing', ?, ?, ?, ?, ?, 74.04, 70, 'dB(A)', 'laeq', "
                "'GB 12523-2025', 'laeq-day', 'S', 1, 'en\nzh')",
                (f"b{n}", "critical" if n == 59 else "violation", city.now, city.now, NINE, NINE + WINDOW),
            )
            city.db.execute(
                "INSERT INTO alert_step (alert, time, who, what, detail, detail_zh, severity, quiet) SELECT "
                "id, opened, 'hub', 'firing', 'en', 'zh', severity, 0 FROM alert ORDER BY id DESC LIMIT 1"
            )


def test_a_storm_becomes_one_digest_with_the_gravest_first(tmp_path, city):
    with a_hook() as hook:
        config = settings(tmp_path, {"url": hook.url()}, {"url": hook.url("zh"), "lang": "zh"})
        storm(city)
        with notifier(config):
            until(all_sent(city, 120))
    (title, text), (title_zh, text_zh) = (
        next((title, text) for path, title, text in hook.got if path == of) for of in ("/hook", "/zh")
    )
    assert len(hook.got) == 2
    assert title == "Fenceline: 60 messages of alerts at once"
    assert title_zh == "Fenceline: 60条告警消息汇总"
    lines = text.splitlines()
    assert lines[0] == "critical 1, violation 59"
    assert lines[2] == (
        "60 | 09:00 | Clock Tower b59 | firing, final | critical | 74.0 dB(A) | 70 dB(A) | GB 12523-2025 (S)"
    )
    assert len(lines) == 2 + MOST_ROWS + 1
    assert lines[-1].startswith("... and 10 more")
    assert "钟楼 b59 | 告警（已定论） | 严重" in text_zh
    assert len(city.rows("SELECT DISTINCT digest FROM notification")) == 2


def test_so_many_messages_a_minute_are_sent_and_the_next_ones_gathered(city):
    desk = person("desk")
    people = queue(city, desk, digest_above=3)
    for n in range(3):
        storm(city, 1)
        people.choose(CITY)
        (row,) = people.take(desk, CITY)
        people.sent([row])
        assert row.alert.id == n + 1
    for _ in range(2):
        storm(city, 1)
        people.choose(CITY)
        assert people.take(desk, CITY) == []
    city.now += 60.1
    rows = people.take(desk, CITY)
    assert [row.alert.id for row in rows] == [4]
    people.sent(rows)


def test_a_clock_that_is_set_back_stops_no_message(city):
    desk = person("desk")
    people = queue(city, desk, digest_above=2)
    city.now += 7200
    for _ in range(2):
        storm(city, 1)
        people.choose(CITY)
        people.sent(people.take(desk, CITY))
    storm(city, 1)
    people.choose(CITY)
    city.now -= 7200
    assert [row.alert.id for row in people.take(desk, CITY)] == [3]


def test_a_digest_that_failed_is_gathered_again_with_what_came_meanwhile(city):
    desk = person("desk")
    people = queue(city, desk, digest_above=3)
    storm(city, 5)
    people.choose(CITY)
    rows = people.take(desk, CITY)
    assert len(rows) == 5
    people.failed(rows, "error=500")
    storm(city, 2)
    people.choose(CITY)
    city.now += 10
    assert len(people.take(desk, CITY)) == 7


def test_pauses_grow_up_to_five_minutes_and_are_spread(city):
    random.seed(5)
    desk = person("desk")
    people = queue(city, desk)
    city.judge(74.0)
    people.choose(CITY)
    pauses = []
    for _ in range(10):
        rows = people.take(desk, CITY)
        pauses.append(people.failed(rows, "no"))
        assert people.take(desk, CITY) == []
        city.now += pauses[-1] + 0.1
    assert all(2.5 * 2**n <= pause <= 5 * 2**n for n, pause in enumerate(pauses[:6]))
    assert all(150 <= pause <= 300 for pause in pauses[6:])


def test_who_is_no_recipient_any_more_is_not_waited_for(city):
    city.judge(74.0)
    queue(city, person("gone"), person("stays")).choose(CITY)
    queue(city, person("stays")).recover()
    assert sent(city) == [("gone", "firing", "dropped"), ("stays", "firing", "waiting")]


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server on loopback, as much of RFC 5321 as delivers a message."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        self.mails = []
        super().__init__(("127.0.0.1", 0), Dialogue)


class Dialogue(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 mail.city.example ready")
        for line in self.rfile:
            word = line.split()[0].upper().decode()
            if word == "DATA":
                self.say("354 go on")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(email.message_from_bytes(text, policy=email.policy.default))
                self.say("250 taken")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mailbox():
    server = Mailbox()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_e_mail_arrives_and_keeps_its_lines(tmp_path, city, mailbox):
    port = mailbox.server_address[1]
    url = f"mailto://127.0.0.1:{port}?from=hub@city.example&to=duty@city.example&mode=insecure"
    config = settings(tmp_path, {"url": url, "lang": "zh"}, link="https://city.example/{alert}")
    city.judge(74.0)
    with notifier(config):
        until(all_sent(city, 1))
    (mail,) = mailbox.mails
    assert mail["to"] == "duty@city.example"
    assert mail["subject"] == "Fenceline [超标] 钟楼 fence-1: 告警（已定论）"
    lines = mail.get_content().splitlines()
    assert lines[0].startswith("钟楼（north，设备fence-1）：74.0 dB(A)，限值70 dB(A)。")
    assert lines[1:] == ["告警（已定论），自2026-03-02 09:00起。", "告警编号：1。 https://city.example/1"]


def test_what_is_too_long_for_a_service_is_split_and_not_refused(monkeypatch):
    import apprise.plugins.custom_json as plugin

    monkeypatch.setattr(plugin.NotifyJSON, "body_maxlen", 300)
    with a_hook() as hook:
        assert send(hook.url(), Message("t", "line of the digest\n" * 40, TYPES["info"])).error == ""
        assert len(hook.texts()) > 2
        assert "".join(hook.texts()).count("line of the digest") >= 39
        hook.got.clear()
        assert send(f"{hook.url()}?overflow=truncate", Message("t", "x" * 900, TYPES["info"])).error == ""
        assert len(hook.texts()) == 1


def begin(config):
    """Start the hub's process that judges and notifies, as the hub does."""
    return child.begin(
        "hub.run.consumers",
        Job(config, time.time, "text"),
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def end(running, how="kill"):
    process, hub = running
    if how == "kill":
        process.kill()
    else:
        hub.send_bytes(child.OVER)
    process.wait(20)
    hub.close()
    with process.stderr as said:
        return said.read().decode()


def test_a_kill_while_a_message_is_under_way_repeats_that_one_and_no_other(tmp_path):
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data", now=time.time()) as city, a_hook() as hook:
        config = settings(tmp_path, {"url": f"{hook.url()}?rto=30"})
        city.judge(74.0, start=int(city.now))
        process = begin(config)
        until(all_sent(city, 1))
        hook.hangs.set()
        city.judge(74.0, device="fence-2", start=int(city.now))
        until(lambda: len(hook.got) == 2)
        end(process)
        assert [state for _, _, state in sent(city)] == ["sent", "sending"]
        hook.hangs.clear()
        hook.released.set()
        process = begin(config)
        until(all_sent(city, 2))
        city.desk.comment(1, "li", "a step that is told nobody")
        said = end(process, "gently")
        assert "Traceback" not in said
        texts = hook.texts()
    assert len(texts) == 3
    assert "fence-1" in texts[0]
    assert texts[2] == f"{texts[1]}\nPossibly repeated: whether an earlier attempt arrived is not known."


def test_after_a_second_kill_in_the_same_moment_it_is_left_alone_and_on_record(city):
    desk = person("desk")
    city.judge(74.0)
    for _ in range(2):
        people = queue(city, desk)
        people.recover()
        people.choose(CITY)
        assert len(people.take(desk, CITY)) == 1
    queue(city, desk).recover()
    assert sent(city) == [("desk", "firing", "unknown")]


def test_a_lost_answer_and_then_a_kill_are_not_two_kills(city):
    desk = person("desk")
    city.judge(74.0)
    people = queue(city, desk)
    people.choose(CITY)
    people.failed(people.take(desk, CITY), "timeout", perhaps=True)
    city.now += 301
    assert people.take(desk, CITY)[0].notification.repeated == 2
    people = queue(city, desk)
    people.recover()
    assert people.take(desk, CITY)[0].notification.repeated == 1


def test_an_error_inside_costs_no_message(tmp_path, city, quick, monkeypatch, caplog):
    compose, failures = Composer.message, [KeyError("severity")]

    def fails_once(*given):
        if failures:
            raise failures.pop()
        return compose(*given)

    monkeypatch.setattr(Composer, "message", fails_once)
    with a_hook() as hook:
        config = settings(tmp_path, {"url": hook.url()})
        city.judge(74.0)
        with notifier(config):
            until(all_sent(city, 1))
    assert "a message to person-0 could not be written" in caplog.text


def test_a_database_that_fails_for_a_while_costs_no_message(tmp_path, city, monkeypatch, caplog):
    monkeypatch.setattr(notify, "RETRY", 0.05)
    note, failures = Queue.sent, [sqlite3.OperationalError("disk I/O error"), KeyError("row")]

    def fails_twice(*given):
        if failures:
            raise failures.pop()
        note(*given)

    monkeypatch.setattr(Queue, "sent", fails_twice)
    with a_hook() as hook:
        config = settings(tmp_path, {"url": hook.url()})
        city.judge(74.0)
        with notifier(config):
            until(all_sent(city, 1))
        assert len(hook.got) == 1
    assert "notifications wait: compliance.db cannot be used (disk I/O error)" in caplog.text


def test_no_secret_of_an_address_is_told_anywhere(tmp_path, city, quick):
    said = io.StringIO()
    handler = logging.StreamHandler(said)  # as `hub.process.logs` writes: a handler of the root
    logging.getLogger().addHandler(handler)
    try:
        with a_hook() as hook:
            url = f"json://user:{SECRET}-1@127.0.0.1:{hook.port}/{SECRET}-2?+x={SECRET}-3&rto=0.2"
            config = settings(tmp_path, {"url": url}, {"url": f"tgram://{SECRET}/nonsense"})
            hook.answers[:] = [500]
            city.judge(74.0)
            with notifier(config):
                until(lambda: ("person-0", "firing", "sent") in sent(city))
                until(lambda: city.rows("SELECT 1 FROM notification WHERE recipient = 'person-1' AND error <> ''"))
            shown = [run(tmp_path, "alerts", "show", 1, *more) for more in ((), ("--json",))]
            hook.answers[:] = [500]
            shown.append(run(tmp_path, "notify", "test", "--json"))
    finally:
        logging.getLogger().removeHandler(handler)
    assert "HTTP 500" in said.getvalue()
    for text in (said.getvalue(), *(part for one in shown for part in (one.out, one.err))):
        assert SECRET not in text
    for path in (tmp_path / "data").iterdir():
        assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("text", "where", "shown"),
    [
        ("no route to /abcdef?x=ghijk", "json://host.example/abcdef?x=ghijk", "no route to /***?x=***"),
        (
            "host.example refused user pass+word",
            "json://user:pass%2Bword@host.example/",
            "host.example refused *** ***",
        ),
        ("error=404", "json://host.example/404", "error=404"),
    ],
)
def test_an_error_keeps_the_host_and_loses_the_rest_of_an_address(text, where, shown):
    assert without_secrets(text, where) == shown


def test_addresses_come_from_the_environment_or_from_a_file_of_the_hubs_user_alone(tmp_path):
    file = tmp_path / "url"
    by_file = Recipient(name="duty", url_file=file)
    by_env = Recipient(name="duty", url_env="DUTY")
    assert address(by_env, {"DUTY": " json://host.example/x \n"}) == "json://host.example/x"
    for environment, words in (
        ({}, "holds 0 addresses"),
        ({"DUTY": "json://a json://b"}, "holds 2 addresses"),
        ({"DUTY": f"nonsense://{SECRET}"}, r"'nonsense://...' is not one address"),
        ({"DUTY": f"json://a/{SECRET},json://b"}, r"is not one address"),
        ({"DUTY": SECRET}, r"'\?://...'"),
    ):
        with pytest.raises(ConfigError, match=words) as told:
            address(by_env, environment)
        assert SECRET not in str(told.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        address(by_file)
    file.write_text("json://host.example/x")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"run: chmod 600 {file}"):
        address(by_file)
    file.chmod(0o600)
    assert address(by_file) == "json://host.example/x"


def test_every_address_of_apprise_urls_is_a_recipient_of_its_own(tmp_path):
    environment = {"APPRISE_URLS": "json://a.example/x json://b.example/y"}
    people = recipients(settings(tmp_path), environment)
    assert [(one.name, address(one, environment)) for one in people] == [
        ("APPRISE_URLS-1", "json://a.example/x"),
        ("APPRISE_URLS-2", "json://b.example/y"),
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('[[recipient]]\nname = "a b"\nurl_env = "X"', "name"),
        ('[[recipient]]\nname = "a"', "expected either url_env or url_file"),
        ('[[recipient]]\nname = "a"\nurl_env = "X"\nurl_file = "x"', "expected either url_env or url_file"),
        ('[[recipient]]\nname = "a"\nurl_env = "X"\nhours = "8-18"', "hours"),
        ('[[recipient]]\nname = "a"\nurl_env = "X"\nleast = "bad"', "least"),
        ('[[recipient]]\nname = "a"\nurl_env = "X"\nurl = "json://secret"', "url"),
        ('[[recipient]]\nname = "a"\nurl_env = "X"\n' * 2, "stands there twice"),
        ('[alerts]\nlink = "https://x/{town}"', "expected only {site}"),
        ("[alerts]\nresolve_after = 0", "resolve_after"),
        ("[alerts]\nescalate_minutes = {grave = 3}", "grave"),
    ],
)
def test_a_wrong_recipient_is_refused_by_its_field(tmp_path, lines, words):
    write_files(tmp_path, lines + "\n")
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "fenceline.toml")
    assert words in str(refused.value)


@pytest.mark.parametrize("page", ["officer.md", "officer.zh.md"])
def test_the_sample_configuration_of_the_officers_page_is_one(tmp_path, page):
    blocks = [block.text for block in read(ROOT / "docs" / page).blocks if block.language == "toml"]
    (sample,) = [text for text in blocks if text.startswith("[alerts]")]
    config = load_config(write_files(tmp_path, sample))
    assert [one.name for one in config.recipients] == ["nanhai-desk", "duty-phone", "chief"]
    defaults = msgspec.structs.replace(config.alerts, link="")
    assert defaults == Alerting(), "what the sample shows are the defaults"


def test_the_channel_test_says_of_each_recipient_what_came_back(tmp_path):
    with a_hook() as hook:
        settings(tmp_path, {"url": hook.url("good")}, {"url": hook.url("bad"), "lang": "zh"})
        good = run(tmp_path, "notify", "test", "--recipient", "person-0", "--lang", "en")
        assert (good.code, good.err) == (0, "")
        assert good.out.startswith("✓ person-0: the service took the message")
        assert hook.texts("good") == ["This is a test of the channel to person-0: no alert."]
        hook.answers[:] = [200, 500]
        both = run(tmp_path, "notify", "test", "--lang", "zh")
    assert both.code == 1
    assert "✓ person-0: 服务已接收消息" in both.out
    assert "✗ person-1: " in both.out
    assert "HTTP 500" in both.out
    assert hook.texts("bad") == ["这是发给person-1的通道测试，不是告警。"]


def test_the_channel_test_as_json(tmp_path):
    with a_hook() as hook:
        settings(tmp_path, {"url": hook.url()})
        told = msgspec.json.decode(run(tmp_path, "notify", "test", "--json").out)
    assert told == {"ok": True, "recipients": [{"recipient": "person-0", "ok": True, "error": None, "sent_now": 0}]}


def test_mistakes_of_the_channel_test_are_told_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("APPRISE_URLS", raising=False)
    settings(tmp_path)
    nobody = run(tmp_path, "notify", "test", "--lang", "en")
    assert (nobody.code, nobody.out) == (2, "")
    assert "there is no recipient; add a [[recipient]] to " in nobody.err
    settings(tmp_path, {"url": "json://127.0.0.1:9/x"})
    near = run(tmp_path, "notify", "test", "--recipient", "person-O")
    assert (near.code, "did you mean 'person-0'?" in near.err) == (2, True)
    (tmp_path / "url-0").chmod(0o644)
    open_ = run(tmp_path, "notify", "test")
    assert (open_.code, "chmod 600" in open_.out) == (1, True)


def test_what_was_sent_and_to_whom_is_shown_with_the_alert(tmp_path, city):
    with a_hook() as hook:
        config = settings(tmp_path, {"url": hook.url()})
        city.judge(74.0)
        with notifier(config):
            until(all_sent(city, 1))
    shown = run(tmp_path, "alerts", "show", 1, "--lang", "zh").out
    assert "person-0: 告警（已定论）: 已发送 " in shown
    assert query(tmp_path / "data" / "compliance.db", "SELECT attempts FROM notification") == [{"attempts": 1}]
