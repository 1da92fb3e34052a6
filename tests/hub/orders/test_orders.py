"""An order of the hub and a board that goes by its own code: done once, or not at all, whatever happens meanwhile."""

import asyncio
import json
import time
from contextlib import closing
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from edge.message import Signer, reply
from edge.rising import FRESH as FRESH_THERE
from edge.rising import Rising
from hub.orders import desk
from hub.orders import sender as sender_module
from hub.orders.book import AGAIN, FRESH, GRACE, MOST_OPEN, UNKNOWN, OrderBook
from hub.orders.kinds import DO, WHATS, OrderError, check
from hub.orders.sender import OrderSender
from hub.orders.tables import PART
from hub.storage.compliance_file import open_compliance
from tests.hub.helpers import CITY, Hub, Speaker, query
from tests.system.chain import ROOT, until

COMMAND = Draft202012Validator(json.loads((ROOT / "schemas" / "messages" / "command.schema.json").read_text("utf-8")))


class City:
    """A hub and one board; `now` is the hub's time, `slow` how far the board's clock is behind it, None: not set."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.hub = Hub(folder)
        self.ticks = 0.0
        monkeypatch.setattr(sender_module, "time", SimpleNamespace(monotonic=lambda: self.ticks))
        self.doubt = False
        self.speaker = Speaker()
        self.slow = 0
        self.done = []
        self.heard = []
        self.fails = None
        self.start_board()
        self.start_hub()

    def start_hub(self):
        self.sender = OrderSender(
            self.folder / "compliance.db",
            self.folder / "log.db",
            lambda: CITY,
            lambda: self.hub.now,
            lambda: self.doubt,
        )

    def start_board(self):
        self.rising = Rising(str(self.folder / "board-orders"))

    def close(self):
        self.hub.close()

    def book(self):
        return closing(open_compliance(self.folder / "compliance.db", PART))

    def give(self, what="relay", lives=3600.0, device="fence-1", **settings):
        settings = settings or ({"on": True} if what == "relay" else {})
        with self.book() as db:
            return desk.give(OrderBook(db), CITY, device, what, settings, "zhang", "dust", self.hub.now, lives).id

    def get(self, id_):
        with self.book() as db:
            return OrderBook(db).get(id_)

    def steps(self, id_):
        with self.book() as db:
            return [(step.who, step.what) for step in OrderBook(db).steps(id_)]

    def send(self, seconds=0.0):
        """Let time go by and the hub look; return the commands that it publishes."""
        self.hub.now += seconds
        self.ticks += seconds
        with self.book() as db:
            self.sender.step(OrderBook(db))
        said = list(self.sender.outgoing())
        for topic, payload, retained in said:
            assert (topic, retained) == ("fenceline/1/north/tower/fence-1/command", False)
            COMMAND.validate(json.loads(payload))
        self.heard += [payload for _, payload, _ in said]
        return [payload for _, payload, _ in said]

    def obey(self, payload, *, lose_reply=False):
        """Let the board have a command, and the hub its reply."""
        command = Signer(CITY.keys["fence-1"]).unseal(payload)

        async def act(order):
            if self.fails:
                raise ValueError(self.fails)
            self.done.append(order["do"])
            return f"{order['do']} done"

        now = 0 if self.slow is None else int(self.hub.now) - self.slow
        answer, _ = asyncio.run(self.rising.once(command, now, act))
        if answer and not lose_reply:
            self.hub.hear(self.speaker.say("reply", reply(command["id"], now, *answer)))
        return answer


@pytest.fixture
def city(tmp_path, monkeypatch):
    made = City(tmp_path, monkeypatch)
    yield made
    made.close()


def test_the_hub_and_the_board_mean_the_same_by_fresh():
    assert FRESH == FRESH_THERE


def test_an_order_is_told_answered_and_stands_in_the_audit_trail(city):
    id_ = city.give(on=True, minutes=30)
    (payload,) = city.send()
    said = json.loads(payload)
    assert {name: said[name] for name in ("do", "on", "minutes")} == {"do": "relay", "on": True, "minutes": 30}
    assert city.get(id_).state == "sent"
    city.obey(payload)
    assert city.send(1) == []
    order = city.get(id_)
    assert (order.state, order.answer, order.attempt) == ("done", "relay done", 1)
    assert city.steps(id_) == [("zhang", "given"), ("hub", "signed"), ("fence-1", "done")]
    assert city.send(1000) == []


def test_what_the_network_loses_is_sent_again_as_it_was_and_done_once(city):
    id_ = city.give()
    (payload,) = city.send()
    assert city.send(1) == []
    for pause in (2, 4, 8, 16, 30, 30):
        assert city.send(pause) == [payload]
    city.obey(payload, lose_reply=True)
    assert city.send(30) == [payload]
    city.obey(payload, lose_reply=True)
    city.start_board()
    city.start_hub()  # killed, both of them
    assert city.send(30) == [payload]
    city.obey(payload)
    city.send(1)
    assert city.get(id_).state == "done"
    assert city.done == ["relay"]


def test_a_board_that_was_away_says_that_it_has_not_done_it_and_gets_it_signed_anew(city):
    id_ = city.give(lives=86_400)
    (old,) = city.send()
    (again,) = city.send(7200)
    assert again == old
    ok, why = city.obey(again)
    assert not ok
    assert why.startswith("t: ")
    (new,) = city.send(1)
    assert json.loads(new)["id"] != json.loads(old)["id"]
    assert city.get(id_).state == "sent"
    # What the network still holds of the old one changes nothing.
    assert not city.obey(old)[0]
    assert city.send(1) == []
    city.obey(new)
    city.send(1)
    assert (city.get(id_).state, city.done) == ("done", ["relay"])
    assert [what for _, what in city.steps(id_)] == ["given", "signed", "put off", "signed", "done"]


def test_an_order_that_was_done_before_the_board_went_away_is_not_done_again_when_it_comes_back(city):
    id_ = city.give(lives=86_400)
    (payload,) = city.send()
    city.obey(payload, lose_reply=True)
    (again,) = city.send(7200)
    city.start_board()
    assert city.obey(again) == (True, "relay done")
    city.send(1)
    assert (city.get(id_).state, city.done) == ("done", ["relay"])


def test_an_order_expires_at_the_board_too_however_late_it_is_delivered(city):
    id_ = city.give(lives=60)
    (payload,) = city.send()
    city.hub.now += 61  # held back on the way
    ok, _ = city.obey(payload, lose_reply=True)
    assert (ok, city.done) == (False, [])
    city.send(GRACE)
    assert (city.get(id_).state, city.get(id_).answer) == ("expired", UNKNOWN)
    # Its answer comes after all, and then it is known.
    city.obey(payload)
    city.send(1)
    assert city.get(id_).state == "expired"
    assert city.get(id_).answer.startswith("never begun")


def test_a_late_answer_tells_that_it_was_done(city):
    id_ = city.give(lives=60)
    (payload,) = city.send()
    city.obey(payload, lose_reply=True)
    city.send(60 + GRACE)
    assert city.get(id_).state == "expired"
    city.obey(payload)
    city.send(1)
    assert (city.get(id_).state, city.done) == ("done", ["relay"])


def test_a_board_that_stays_away_for_a_month_finds_nothing_to_do(city):
    ids = [city.give(lives=7 * 86_400), city.give("reboot", lives=86_400)]
    held = city.send()
    city.send(8 * 86_400)
    city.send(22 * 86_400)
    assert [city.get(id_).state for id_ in ids] == ["expired", "expired"]
    assert "never begun" in city.get(ids[1]).answer
    for payload in held:
        assert not city.obey(payload)[0]
    assert city.done == []


def test_a_board_whose_clock_was_never_set_obeys_ping_alone_and_the_rest_when_it_is_set(city):
    city.slow = None
    ping, relay = city.give("ping"), city.give()
    (payload,) = city.send()
    city.obey(payload)
    assert city.get(ping).state == "sent"
    (payload,) = city.send(1)
    assert city.get(ping).state == "done"
    city.obey(payload)
    assert city.send(1) == []  # it would be refused again, and again
    assert (city.get(relay).state, city.done) == ("waiting", ["ping"])
    assert "clock is not set" in city.get(relay).answer
    city.slow = 0
    (payload,) = city.send(AGAIN)
    city.obey(payload)
    city.send(1)
    assert (city.get(relay).state, city.done) == ("done", ["ping", "relay"])


def test_contrary_orders_of_two_people_are_done_in_the_sequence_in_which_they_were_given(city):
    on, off = city.give(on=True), city.give(on=False)
    (first,) = city.send()
    assert json.loads(first)["on"] is True
    assert city.send(2) == [first]
    city.obey(first)
    (second,) = city.send(1)
    assert json.loads(second)["on"] is False
    city.obey(first)  # delivered again, late
    city.obey(second)
    city.send(1)
    assert [city.get(id_).state for id_ in (on, off)] == ["done", "done"]
    assert city.done == ["relay", "relay"]


def test_records_of_a_second_do_not_keep_other_orders_waiting(city):
    live, off = city.give("live", minutes=60), city.give(on=False)
    (first,) = city.send()
    (second,) = [one for one in city.send(1) if one != first]
    city.obey(second)
    city.send(1)
    assert [city.get(id_).state for id_ in (live, off)] == ["sent", "done"]


def test_a_board_that_started_again_in_the_middle_says_so_and_nothing_is_repeated(city):
    id_ = city.give("selftest")
    (payload,) = city.send()
    command = json.loads(payload)
    city.rising._begin(command, int(city.hub.now))  # and the power is cut
    city.start_board()
    city.obey(payload)
    assert city.send(2) == []
    order = city.get(id_)
    assert order.state == "refused"
    assert "started again while it was at it" in order.answer
    assert city.done == []


def test_a_board_tells_why_it_refuses(city):
    city.fails = "sensor: there is no tap; expected one of ['dust']"
    id_ = city.give("flag", flag="M", sensor="tap")
    city.obey(*city.send())
    city.send(1)
    assert (city.get(id_).state, city.get(id_).answer) == ("refused", city.fails)


def test_a_later_order_of_somebody_else_is_told_apart_from_a_refusal(city):
    id_ = city.give()
    (payload,) = city.send()
    other = {"id": "by-hand", "do": "ping", "t": int(city.hub.now), "n": int(city.hub.now * 1000) + 5}
    city.obey(Signer(CITY.keys["fence-1"]).seal(json.dumps(other)))
    city.obey(payload)
    city.send(2)
    order = city.get(id_)
    assert order.state == "refused"
    assert order.answer.endswith("is not known")


def test_nothing_is_signed_while_the_hub_doubts_its_time(city):
    id_ = city.give()
    city.doubt = True
    assert city.send(7200) == []
    assert city.get(id_).state == "waiting"


def test_a_number_that_a_wrong_clock_gave_locks_no_board(city):
    city.hub.now += 9 * 86_400
    wrong = city.give(lives=60)
    city.obey(*city.send(), lose_reply=True)  # of a board whose clock is right: it refuses
    city.hub.now -= 9 * 86_400
    city.rising = Rising(str(city.folder / "another"))
    city.hub.now += 0.5
    with city.book() as db:
        db.execute("UPDATE board_order SET state = 'expired', ended = ? WHERE id = ?", (city.hub.now, wrong))
    id_ = city.give()
    city.obey(*city.send())
    city.send(1)
    assert city.get(id_).state == "done"


def test_orders_of_one_second_have_numbers_that_rise(city):
    for _ in range(3):
        city.give("ping")
    for _ in range(3):
        city.obey(*city.send())
    city.send()
    numbers = [json.loads(payload)["n"] for payload in city.heard]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 3


def test_every_kind_of_order_is_as_the_contract_has_it(city):
    more = {"relay": {"on": False}, "flag": {"flag": "C"}}
    whats = [what for what in WHATS if what not in DO]  # test_keys.py has those that carry a secret
    for what in whats:
        city.give(what, **more.get(what, {}))
    for _ in whats:
        for payload in city.send(1):
            city.obey(payload)
    city.send(1)
    assert sorted(city.done) == sorted(whats)


@pytest.mark.parametrize(
    ("what", "settings", "field"),
    [
        ("relay", {}, "on"),
        ("relay", {"on": True, "minutes": 0}, "minutes"),
        ("relay", {"on": 1}, "on"),
        ("live", {"minutes": 1441}, "minutes"),
        ("ping", {"minutes": 5}, "minutes"),
        ("log", {"lines": 31}, "lines"),
        ("flag", {"flag": "X"}, "flag"),
        ("flag", {"minutes": 5}, "flag"),
        ("reboot", {"on": True}, "on"),
    ],
)
def test_what_no_board_would_take_is_refused_with_its_field(what, settings, field):
    with pytest.raises(OrderError) as refused:
        check(what, settings)
    assert refused.value.field == field
    assert what in refused.value.text.zh


def test_too_many_orders_that_wait_are_refused(city):
    for _ in range(MOST_OPEN):
        city.give("ping")
    with pytest.raises(OrderError, match="that wait"):
        city.give("ping")


def test_an_order_to_nobody_is_refused(city):
    with pytest.raises(OrderError, match="not in the registry"):
        city.give("ping", device="fence-9")


def test_the_audit_trail_is_never_changed(city):
    id_ = city.give()
    with city.book() as db:
        for sql in ("UPDATE order_step SET who = 'nobody'", "DELETE FROM order_step"):
            with pytest.raises(Exception, match="never changed"):
                db.execute(sql)
    assert city.steps(id_) == [("zhang", "given")]


def test_only_what_is_open_takes_room_in_the_look(city):
    for _ in range(5):
        city.give("ping")
        city.obey(*city.send())
    city.send(1)
    assert {row["state"] for row in query(city.folder / "compliance.db", "SELECT state FROM board_order")} == {"done"}
    with city.book() as db:
        assert OrderBook(db).listening(city.hub.now) == []
        assert OrderBook(db).next_of_each() == []


def test_a_database_that_cannot_be_opened_for_a_while_ends_nothing(city, monkeypatch):
    monkeypatch.setattr(sender_module, "RETRY", 0.05)
    monkeypatch.setattr(sender_module, "LOOK_EVERY", 0.05)
    path = city.folder / "elsewhere.db"
    path.write_bytes(b"no database" * 1000)
    sender = OrderSender(path, city.folder / "log.db", lambda: CITY, lambda: city.hub.now, lambda: False)
    sender.start()
    time.sleep(0.2)
    assert sender.is_alive()
    path.unlink()
    with closing(open_compliance(path, PART)) as db:
        desk.give(OrderBook(db), CITY, "fence-1", "ping", {}, "zhang", "", city.hub.now)
    until(lambda: list(sender.outgoing()), "it goes on", 10)
    sender.stop()
    sender.join(5)
    assert not sender.is_alive()
