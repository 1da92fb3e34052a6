"""Services that say no with HTTP 200, and count bytes: each answers as the real one does, from a server on loopback."""

import contextlib
import datetime as dt
import html
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apprise.plugins.dingtalk
import apprise.plugins.feishu
import apprise.plugins.lark
import apprise.plugins.telegram
import apprise.plugins.twilio
import apprise.plugins.wecombot
import pytest

from hub.notify.answers import Answer, refusal
from hub.notify.pieces import Room, escaped, room_of, utf8, utf16
from hub.notify.queue import FIRST_PAUSE, GIVE_UP, LIMITED_PAUSE, LONGEST_WAIT
from hub.notify.sender import open_service, send
from hub.notify.text import MOST_PIECES, TYPES, Composer, Message
from tests.hub.alerting import AlertCity, run, until
from tests.hub.helpers import CITY
from tests.hub.notify.test_notify import notifier, person, queue, sent, settings, storm

OK = {"errcode": 0, "errmsg": "ok"}
ADDRESS = {
    "dingtalk": "dingtalk://" + "a" * 64,
    "wecombot": "wecombot://" + "k" * 36,
    "feishu": "feishu://" + "t" * 36,
    "lark": "lark://" + "t" * 36,
}
FINE = {"dingtalk": OK, "wecombot": OK, "feishu": {"code": 0, "msg": "success"}, "lark": {"StatusCode": 0}}


class Services:
    """The servers of DingTalk, WeCom, Feishu, Lark, Telegram, Twilio and of any web hook.

    `says` are the answers given one after the other, the service's yes behind them: an object or a text, with
    HTTP 200, or (HTTP status, headers, text). Too long a text is refused as the service refuses it.
    """

    def __init__(self):
        self.got, self.says = [], []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                name = self.path.strip("/").partition("/")[0]
                status, headers, answer = services.answer(name, body)
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, name, body):
        said = self.says.pop(0) if self.says else self.judge(name, body)
        if isinstance(said, tuple):
            return said
        return 200, {}, said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)

    def judge(self, name, body):
        if name == "twilio":
            return '{"sid": "SM1", "status": "queued"}'
        said = json.loads(body)
        if name == "wecombot":
            text = said["text"]["content"]
            if len(text.encode()) > 2048:
                return {"errcode": 40058, "errmsg": "text.content exceed max length 2048. invalid Request Parameter"}
        elif name == "dingtalk":
            text = said["text"]["content"]
            if len(body) > 20_000:
                return {"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"}
        elif name in {"feishu", "lark"}:
            text = said["content"]["text"]
            if len(body) > 20_480:
                return {"code": 9499, "msg": "Bad Request", "data": {}}
        else:
            text = said.get("text") or said["message"]
            if name == "telegram":  # it counts what is left of the markup
                text = html.unescape(re.sub("</?b>", "", text))
            if name == "telegram" and len(text.encode("utf-16-le")) // 2 > 4096:
                return 400, {}, '{"ok": false, "error_code": 400, "description": "Bad Request: message is too long"}'
        self.got.append(text)
        return FINE.get(name, {"ok": True, "result": {}})


@pytest.fixture
def services(monkeypatch):
    services = Services()
    plugins = apprise.plugins
    places = {
        (plugins.dingtalk.NotifyDingTalk, "notify_url"): "/dingtalk/{token}",
        (plugins.wecombot.NotifyWeComBot, "notify_url"): "/wecombot/{key}",
        (plugins.feishu.NotifyFeishu, "notify_url"): "/feishu/{token}",
        (plugins.lark.NotifyLark, "notify_url"): "/lark/",
        (plugins.telegram.NotifyTelegram, "notify_url"): "/telegram/",
        (plugins.twilio.NotifyTwilio, "notify_sms_url"): "/twilio/{sid}",
    }
    for (plugin, name), path in places.items():
        assert hasattr(plugin, name)
        monkeypatch.setattr(plugin, name, services.url + path)
        monkeypatch.setattr(plugin, "request_rate_per_sec", 0)
    thread = threading.Thread(target=services.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield services
    services.server.shutdown()
    thread.join()
    services.server.server_close()


MESSAGE = Message("Fenceline", "79.1 dB(A)", TYPES["violation"])


def hook(services, path="hook"):
    return services.url.replace("http", "json") + f"/{path}"


@pytest.mark.parametrize("name", ADDRESS)
def test_what_the_service_takes_is_taken(services, name):
    assert send(ADDRESS[name], MESSAGE).error == ""
    assert [text.splitlines() for text in services.got] == [["Fenceline", "79.1 dB(A)"]]


@pytest.mark.parametrize(
    ("name", "answer", "why", "words"),
    [
        ("dingtalk", {"errcode": 310000, "errmsg": "keywords not in content"}, "wrong", "310000 keywords not in"),
        ("dingtalk", {"errcode": 310000, "errmsg": "sign not match"}, "wrong", "310000 sign not match"),
        ("dingtalk", {"errcode": 300001, "errmsg": "token is not exist"}, "wrong", "300001 token is not exist"),
        ("dingtalk", {"errcode": 130101, "errmsg": "send too fast"}, "limited", "130101 send too fast"),
        ("dingtalk", {"errcode": -1, "errmsg": "系统繁忙"}, "again", "-1 系统繁忙"),
        ("dingtalk", {"errcode": 123456, "errmsg": "nobody has seen this code"}, "again", "123456 nobody"),
        ("dingtalk", "<html><title>Sign in to this network</title>", "again", "no answer of the service: Sign"),
        ("dingtalk", "", "again", "no answer of the service"),
        ("dingtalk", {"ok": True}, "again", "no answer of the service"),
        ("wecombot", {"errcode": 93000, "errmsg": "invalid webhook url"}, "wrong", "93000 invalid webhook url"),
        ("wecombot", {"errcode": 45009, "errmsg": "api freq out of limit"}, "limited", "45009 api freq out of limit"),
        ("wecombot", {"errcode": 40058, "errmsg": "text.content exceed max length 2048"}, "again", "exceed max length"),
        ("feishu", {"code": 19021, "msg": "sign match fail"}, "wrong", "19021 sign match fail"),
        ("feishu", {"code": 19024, "msg": "Key Words Not Found"}, "wrong", "keyword must be Fenceline"),
        ("feishu", {"code": 11232, "msg": "frequency limited"}, "limited", "11232 frequency limited"),
        ("lark", {"code": 9499, "msg": "Bad Request", "data": {}}, "again", "9499 Bad Request"),
        ("lark", {"StatusCode": 19001, "StatusMessage": "token invalid"}, "wrong", "19001 token invalid"),
        ("hook", {"success": False, "message": "no such group"}, "again", "no such group"),
        ("hook", {"errcode": 40001, "errmsg": "bad secret"}, "again", "40001 bad secret"),
        ("hook", {"code": 500, "msg": "短信余额不足"}, "again", "500 短信余额不足"),
        ("hook", {"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控"}, "limited", "BUSINESS_LIMIT"),
        ("hook", {"Response": {"Error": {"Code": "AuthFailure", "Message": "no"}}}, "again", "AuthFailure no"),
        ("hook", {"Response": {"SendStatusSet": [{"Code": "FailedOperation"}]}}, "again", "FailedOperation"),
        ("hook", {"code": 10302, "message": "手机号无效"}, "again", "10302 手机号无效"),
        ("hook", {"code": "E40", "msg": ""}, "again", "E40"),
        ("hook", {"status": "error", "message": "queue is full"}, "again", "queue is full"),
        ("hook", "ERROR: wrong number", "again", "ERROR: wrong number"),
        ("hook", (429, {"Retry-After": "120"}, "slow down"), "limited", "HTTP 429: slow down"),
        ("hook", (401, {}, '{"message": "key expired"}'), "wrong", "HTTP 401: key expired"),
        ("hook", (503, {"Retry-After": "30"}, "<h1>maintenance</h1>"), "again", "HTTP 503: maintenance"),
    ],
)
def test_what_the_service_refuses_is_refused_with_its_words(services, name, answer, why, words):
    services.says = [answer]
    outcome = send(ADDRESS.get(name) or hook(services), MESSAGE)
    assert outcome.error.startswith("the service refused it: ")
    assert words in outcome.error
    assert outcome.why == why
    assert outcome.perhaps is False, "it said that it did not take it"
    if isinstance(answer, tuple) and answer[1]:
        assert outcome.wait == float(answer[1]["Retry-After"])


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "ok",
        "success",
        {"code": 0},
        {"code": 200, "msg": "success"},
        {"code": 1, "data": {"id": 7}},
        {"code": 20000, "message": "操作成功"},
        {"code": "00000", "msg": "success"},
        {"Code": "OK", "Message": "OK", "RequestId": "x"},
        {"Response": {"SendStatusSet": [{"Code": "Ok", "Message": "send success"}], "RequestId": "x"}},
        {"error": None, "errors": []},
        {"errcode": "0"},
        {"status": "queued", "error_code": None},
        [{"type": "failure"}],
        "null",
        "[" * 900,
    ],
)
def test_an_answer_that_does_not_say_no_is_a_yes_of_a_web_hook(services, answer):
    services.says = [answer]
    assert send(hook(services), MESSAGE).error == ""


def test_a_date_in_retry_after_is_understood_and_nonsense_is_none():
    now = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    for said, wait in (("Mon, 02 Mar 2026 09:02:00 GMT", 120), ("-5", 0), ("nan", 0), ("soon", 0), ("1e99", 86_400)):
        assert refusal("json", [Answer(429, "", said)], taken=False, now=now).wait == wait


@pytest.mark.parametrize("scheme", ["dingtalk", "wecombot", "feishu", "lark", "json", "ntfy"])
@pytest.mark.parametrize("code", ["9" * 400, "1e999", "-1e999", '"nan"', '"Infinity"', "NaN", "[0]", "{}", '"０"'])
def test_a_code_that_no_service_has_is_no_error_of_ours(scheme, code):
    found = refusal(scheme, [Answer(200, f'{{"errcode":{code},"code":{code},"errmsg":"?"}}')], taken=True)
    assert found is None or found.why == "again" or scheme == "ntfy"


def test_a_byte_order_mark_before_an_answer_is_no_refusal():
    assert refusal("dingtalk", [Answer(200, '\ufeff{"errcode":0,"errmsg":"ok"}')], taken=True) is None


def test_no_secret_stands_in_what_a_service_echoes(services):
    services.says = [{"errcode": 300001, "errmsg": f"token {'a' * 64} is not exist"}]
    assert "aaaa" not in send(ADDRESS["dingtalk"], MESSAGE).error


def test_an_answer_to_another_thread_is_not_taken_for_ones_own(services):
    services.says = [{"errcode": 310000, "errmsg": "no"}] + [OK] * 40
    outcomes = []
    one = threading.Thread(target=lambda: outcomes.append(send(ADDRESS["dingtalk"], MESSAGE)))
    one.start()
    one.join()
    many = [threading.Thread(target=lambda: outcomes.append(send(ADDRESS["dingtalk"], MESSAGE))) for _ in range(8)]
    for thread in many:
        thread.start()
    for thread in many:
        thread.join()
    assert [bool(outcome.error) for outcome in outcomes] == [True] + [False] * 8


def test_a_refusal_with_200_is_shown_tried_again_and_told_in_the_end(tmp_path, services, monkeypatch):
    monkeypatch.setattr("hub.notify.queue.FIRST_PAUSE", 0.1)
    monkeypatch.setattr("hub.notify.queue.SHORTEST_PAUSE", 0.05)
    (tmp_path / "data").mkdir()
    services.says = [{"errcode": -1, "errmsg": "system busy"}] * 3
    with AlertCity(tmp_path / "data") as city:
        config = settings(tmp_path, {"url": ADDRESS["dingtalk"]})
        city.judge(74.0)
        with notifier(config):
            until(lambda: city.rows("SELECT error FROM notification WHERE error LIKE '%-1 system busy%'"))
            assert "person-0" in run(tmp_path, "notify", "list").out
            until(lambda: sent(city) == [("person-0", "firing", "sent")])
    assert len(services.got) == 1
    assert "74.0 dB(A)" in services.got[0]


def test_a_wrong_key_is_tried_ever_more_rarely_then_left_alone_and_sent_after_a_test(tmp_path, services):
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data") as city:
        settings(tmp_path, {"url": ADDRESS["dingtalk"]})
        desk = person("person-0")
        people = queue(city, desk)
        city.judge(74.0)
        people.choose(CITY)
        pauses, begin = [], city.now
        while rows := people.take(desk, CITY):
            pauses.append(people.failed(rows, "the service refused it: 310000 sign", why="wrong"))
            tried, city.now = city.now, city.now + (pauses[-1] or 0) + 1
        assert pauses[0] <= FIRST_PAUSE
        assert max(pauses[:-1]) > LONGEST_WAIT / 2
        assert pauses[-1] is None
        assert GIVE_UP < tried - begin < GIVE_UP + LONGEST_WAIT + 1
        assert len(pauses) < 70
        assert sent(city) == [("person-0", "firing", "refused")]
        shown = [json.loads(line) for line in run(tmp_path, "notify", "list", "--json").out.splitlines()]
        assert shown[0]["refused"] == 1
        assert "310000" in shown[0]["error"]
        assert shown[-1] == {"summary": True, "recipients": 1, "refused": 1}

        services.says = [{"errcode": 310000, "errmsg": "sign not match"}]
        told = run(tmp_path, "notify", "test", "--lang", "en")
        assert told.code == 1
        assert "the service refused it: 310000 sign not match" in told.out
        assert sent(city) == [("person-0", "firing", "refused")]
        told = run(tmp_path, "notify", "test", "--lang", "en")
        assert told.code == 0
        assert "1 messages that it had not taken are sent now" in told.out
        city.now = time.time() + 1
        assert len(people.take(desk, CITY)) == 1


def test_a_service_that_was_wrong_for_a_moment_only_is_not_given_up(tmp_path):
    with AlertCity(tmp_path) as city:
        desk = person("desk")
        people = queue(city, desk)
        city.judge(74.0)
        people.choose(CITY)
        for why in ("wrong", "again", "wrong"):
            people.failed(people.take(desk, CITY), "no", why=why)
            city.now += GIVE_UP * 0.9
        assert sent(city) == [("desk", "firing", "waiting")]


def test_a_rate_limit_is_waited_for(tmp_path):
    with AlertCity(tmp_path) as city:
        desk = person("desk")
        people = queue(city, desk)
        city.judge(74.0)
        people.choose(CITY)
        assert people.failed(people.take(desk, CITY), "130101 send too fast", why="limited") == LIMITED_PAUSE
        city.now += LIMITED_PAUSE + 1
        assert people.failed(people.take(desk, CITY), "HTTP 429", why="limited", wait=900.0) == 900
        city.now += 901
        assert people.failed(people.take(desk, CITY), "HTTP 429", why="limited", wait=1e9) == LONGEST_WAIT


def test_the_hubs_start_tries_again_what_its_address_made_wait(tmp_path):
    with AlertCity(tmp_path) as city:
        desk = person("desk")
        people = queue(city, desk)
        city.judge(74.0)
        people.choose(CITY)
        people.failed(people.take(desk, CITY), "no", why="wrong", wait=3600.0)
        assert people.take(desk, CITY) == []
        people.recover()
        assert len(people.take(desk, CITY)) == 1


@pytest.mark.parametrize(("lang", "most"), [("zh", 2), ("en", 2), ("both", 4)])
def test_twenty_alerts_at_once_arrive_whole_at_a_wecom_robot(tmp_path, services, lang, most):
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data") as city:
        config = settings(tmp_path, {"url": ADDRESS["wecombot"], "lang": lang})
        storm(city, 20)
        with notifier(config):
            until(lambda: {state for _, _, state in sent(city)} == {"sent"})
    assert 1 < len(services.got) <= most
    assert all(len(text.encode()) <= 2048 for text in services.got)
    lines = [line for text in services.got for line in text.splitlines()]
    for n in range(20):
        assert sum(f" b{n} |" in line and line.endswith(("(S)",)) for line in lines) == (2 if lang == "both" else 1)


def test_in_a_storm_the_gravest_come_first_and_whole_and_the_rest_is_counted(tmp_path, services):
    (tmp_path / "data").mkdir()
    with AlertCity(tmp_path / "data") as city:
        config = settings(tmp_path, {"url": ADDRESS["wecombot"], "lang": "zh"})
        storm(city, 400)
        with notifier(config):
            until(lambda: {state for _, _, state in sent(city)} == {"sent"})
    assert len(services.got) <= MOST_PIECES
    first = services.got[0].splitlines()
    assert first[1] == "严重 1, 超标 399"
    assert " b59 | " in first[3]
    assert "严重" in first[3]
    rows = [line for text in services.got for line in text.splitlines() if " | 钟楼 b" in line]
    assert all(line.endswith("(S)") for line in rows)
    (rest,) = [line for text in services.got for line in text.splitlines() if line.startswith("……另有")]
    assert rest.startswith(f"……另有{400 - len(rows)}条（超标 {400 - len(rows)}）")


@pytest.mark.parametrize("name", ADDRESS)
@pytest.mark.parametrize("text", ["声级超标。" * 9000, "é" * 30_000, "wort " * 8000, "𠮷" * 9000, '"\\\n' * 9000])
def test_a_text_of_any_length_arrives_whole(services, name, text):
    assert send(ADDRESS[name], Message("Fenceline [超标]", text, TYPES["info"])).error == ""
    assert len(services.got) > 1
    bodies = [piece.partition("\n")[2] for piece in services.got]
    assert squeezed("".join(bodies)) == squeezed(text)


def test_telegram_counts_utf_16_units(services):
    url = "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdefgh/123"
    assert send(url, Message("t", "𠮷" * 5000, TYPES["info"])).error == ""
    assert len(services.got) == 3
    assert "".join(services.got).count("𠮷") == 5000


def squeezed(text):
    return "".join(text.split())


def sms():
    sid = "AC" + "1" * 32
    return room_of(open_service(f"twilio://{sid}:{'2' * 32}@15551234567/15551234568"))


def test_an_sms_has_70_places_with_chinese_and_160_without():
    room = sms()
    latin = room.split("", "x" * 161)
    assert [len(body) for _, body in latin] == [160, 1]
    assert [len(body) for _, body in room.split("", "{" * 81)] == [80, 1]
    chinese = room.split("Fenceline [超标] 钟楼 fence-1: 告警（已定论）", "声级" * 60)
    assert all(utf16(body) <= 70 and not title for title, body in chinese)
    assert squeezed("".join(body for _, body in chinese)).endswith("声级" * 60)
    assert len(room.cut("Fenceline", "声级" * 60)) == 1
    assert utf16(room.cut("", "声级" * 60)[0][1]) <= 70


def test_texts_are_split_between_lines_then_words_and_never_inside_a_character():
    room = Room(30, utf8, with_title=False)
    assert room.split("", "line one\nline two\nline three is longer") == [
        ("", "line one\nline two"),
        ("", "line three is longer"),
    ]
    assert [body for _, body in room.split("", "four words of a long line and it goes on")] == [
        "four words of a long line and",
        "it goes on",
    ]
    assert Room(1, utf8, with_title=False).split("", "声 x") == [("", "声"), ("", "x")], "it ends, whatever the room"
    family = "👩\u200d👩\u200d👧"
    pieces = [body for _, body in room.split("", family * 5)]
    assert "".join(pieces) == family * 5
    assert all(len(body) % len(family) == 0 for body in pieces)
    assert [body for _, body in room.split("", "e\u0301" * 20)] == ["e\u0301" * 10] * 2


def test_pieces_are_numbered_and_a_title_that_leaves_no_room_stands_once():
    room = Room(100, utf8, with_title=True)
    pieces = room.split("Title", "word " * 60)
    assert [title for title, _ in pieces] == [f"Title ({n}/{len(pieces)})" for n in range(1, len(pieces) + 1)]
    assert all(len(f"{title}\r\n{body}") <= 100 for title, body in pieces)
    long = room.split("T" * 60, "word " * 60)
    assert [title for title, _ in long] == [""] * len(long)
    assert long[0][1].startswith("T" * 60)


def test_more_than_99_pieces_stay_in_their_room():
    room = Room(60, escaped, with_title=True)
    pieces = room.split("Title", "声" * 900)
    assert len(pieces) > 99
    assert all(escaped(f"{title}\r\n{body}") <= 60 for title, body in pieces)
    assert "".join(body for _, body in pieces) == "声" * 900


def test_a_piece_that_is_refused_says_which_and_that_those_before_it_arrived(services):
    services.says = [OK, {"errcode": 45009, "errmsg": "api freq out of limit"}]
    outcome = send(ADDRESS["wecombot"], Message("t", "声" * 1500, TYPES["info"]))
    assert outcome.error == "piece 2 of 3: the service refused it: 45009 api freq out of limit"
    assert outcome.why == "limited"
    assert outcome.perhaps


def test_a_digest_of_nothing_but_one_long_row_ends(tmp_path):
    with AlertCity(tmp_path) as city:
        people = queue(city, person("desk"), digest_above=1)
        storm(city, 3)
        people.choose(CITY)
        told = people.take(person("desk"), CITY)
        with contextlib.closing(city.db):
            message = Composer(city.settings, CITY).message(person("desk"), told, Room(12, utf8, with_title=False))
    assert "and 2 more" in message.body
