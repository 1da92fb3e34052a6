"""How boards are to work: a site's template, a board's own, checked by the board's rules, told until it answers."""

import json
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from edge.message import Signer
from hub.orders import sender as sender_module
from hub.orders.desired.book import DesiredBook
from hub.orders.desired.shown import shipped, shown_desired, shown_template, taking_over
from hub.orders.kinds import MeanwhileError, OrderError
from hub.orders.sender import OrderSender
from hub.orders.tables import PART
from hub.storage.compliance_file import open_compliance
from schemas import domains
from tests.hub.helpers import CITY, Hub, Speaker
from tests.system.chain import ROOT

CONFIG = Draft202012Validator(json.loads((ROOT / "schemas" / "messages" / "config.schema.json").read_text("utf-8")))
DUST = {"name": "dust", "type": "plantower", "port": "uart:1:9600:rx=16:tx=17"}
EVERYTHING = {
    "interval": 30,
    "period": 2,
    "relay": {"quantity": "pm10", "on": 150, "off": 100},
    "raw": True,
    "outbox": {"max_bytes": 65536},
    "brokers": ["mqtt.city.example", "10.0.0.2:1883"],
    "sensors": [DUST],
}
RULE = {"quantity": "pm10", "on": 150, "off": 100}


class City:
    """A hub and its boards; `now` is the hub's time."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.hub = Hub(folder)
        self.ticks = 0.0
        monkeypatch.setattr(sender_module, "time", SimpleNamespace(monotonic=lambda: self.ticks))
        self.registry = CITY
        self.db = open_compliance(folder / "compliance.db", PART)
        self.book = DesiredBook(self.db)
        self.start()

    def start(self):
        self.sender = OrderSender(
            self.folder / "compliance.db",
            self.folder / "log.db",
            lambda: self.registry,
            lambda: self.hub.now,
            lambda: False,
        )

    def set(self, place, name, **changes):
        return self.book.set(self.registry, place, name, changes, "zhang", "storm", self.hub.now)

    def send(self, seconds=1.0):
        """Let time go by; return by board what the hub tells it to do."""
        self.hub.now += seconds
        self.ticks += seconds
        self.sender.configure(self.book)
        told = {}
        for topic, payload, retained in self.sender.outgoing():
            CONFIG.validate(json.loads(payload))
            device, kind = topic.split("/")[4:]
            assert (kind, retained) == ("config", True)
            told[device] = Signer(CITY.keys[device]).unseal(payload)
        return told

    def say(self, device, event):
        text = {"n": 2**20 + len(self.hub.entries()), "t": int(self.hub.now), "event": "config", "detail": event}
        self.hub.hear(Speaker(device).say("event", json.dumps(text)))


@pytest.fixture
def city(tmp_path, monkeypatch):
    made = City(tmp_path, monkeypatch)
    yield made
    made.db.close()
    made.hub.close()


def test_a_board_takes_what_it_is_to_do_and_the_hub_knows_it(city):
    city.set("board", "fence-1", interval=30)
    (said,) = city.send().values()
    assert said["interval"] == 30
    assert city.book.told("fence-1").state == "pending"
    city.say("fence-1", {"revision": said["revision"]})
    city.send()
    told = city.book.told("fence-1")
    assert (told.state, told.reported, json.loads(told.in_force)) == ("in_force", said["revision"], {"interval": 30})
    assert city.send(1000) == {}


def test_a_site_is_the_template_of_its_boards_and_a_board_may_differ(city):
    city.set("site", "tower", interval=30, relay=RULE)
    city.set("board", "fence-2", interval=60)
    told = city.send()
    assert told["fence-1"] | {"revision": 0} == {"revision": 0, "interval": 30, "relay": RULE}
    assert told["fence-2"] | {"revision": 0} == {"revision": 0, "interval": 60, "relay": RULE}
    assert "stack-1" not in told
    city.set("board", "fence-2", interval=None)
    assert city.send()["fence-2"]["interval"] == 30
    city.set("site", "tower", interval=None, relay=None)
    told = city.send(10)
    assert [sorted(told[device]) for device in ("fence-1", "fence-2")] == [["revision"], ["revision"]]


def test_revisions_rise_and_what_changes_nothing_is_none(city):
    city.set("board", "fence-1", interval=30)
    first = city.send()["fence-1"]["revision"]
    city.set("board", "fence-1", interval=30)
    assert len(city.book.history(city.registry, "board", "fence-1")) == 1
    city.hub.now -= 86_400  # the hub's clock was wrong
    city.set("board", "fence-1", interval=10)
    assert city.send()["fence-1"]["revision"] > first


def test_it_is_told_again_until_the_board_answers_also_by_another_process(city):
    city.set("board", "fence-1", interval=30)
    (said,) = city.send().values()
    assert city.send(0.5) == {}
    assert city.send(2) == {"fence-1": said}
    city.start()
    assert city.send() == {"fence-1": said}
    status = json.dumps({"online": True, "t": int(city.hub.now), "config": said["revision"]})
    city.hub.hear(Speaker().say("status", status))
    city.send()
    assert city.book.told("fence-1").state == "in_force"
    city.start()
    assert city.send() == {"fence-1": said}  # once for each start: the broker may have lost what it kept
    assert city.send(1000) == {}


def test_a_board_that_refuses_says_why_and_what_was_in_force_stays(city):
    city.set("board", "fence-1", interval=30)
    (first,) = city.send().values()
    city.say("fence-1", {"revision": first["revision"]})
    city.send()
    city.set("board", "fence-1", period=5)
    (second,) = city.send().values()
    city.say("fence-1", {"revision": second["revision"], "problem": "not kept: [Errno 28] ENOSPC"})
    city.send()
    told = city.book.told("fence-1")
    assert (told.state, told.problem) == ("refused", "not kept: [Errno 28] ENOSPC")
    assert (told.reported, json.loads(told.in_force)) == (first["revision"], {"interval": 30})


def test_a_last_will_written_before_the_change_takes_nothing_back(city):
    city.set("board", "fence-1", interval=30)
    revision = city.send()["fence-1"]["revision"]
    city.say("fence-1", {"revision": revision})
    will = json.dumps({"online": False, "t": int(city.hub.now), "config": 0})
    city.hub.hear(Speaker().say("status", will))
    city.send()
    told = city.book.told("fence-1")
    assert (told.state, told.reported, json.loads(told.in_force)) == ("in_force", revision, {"interval": 30})


def test_an_old_answer_is_none_to_a_later_revision(city):
    city.set("board", "fence-1", interval=30)
    (first,) = city.send().values()
    city.set("board", "fence-1", interval=60)
    city.send()
    city.say("fence-1", {"revision": first["revision"]})
    city.send()
    assert city.book.told("fence-1").state == "pending"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"interval": 7}, "interval"),
        ({"interval": True}, "interval"),
        ({"period": 0}, "period"),
        ({"relay": {**RULE, "off": 200}}, "relay"),
        ({"relay": {"quantity": "phlogiston", "on": 2, "off": 1}}, "relay"),
        ({"sensors": []}, "sensors"),
        ({"sensors": [{"name": "dust", "type": "plantower"}]}, "sensors"),
        ({"sensors": [DUST | {"type": "nobody"}]}, "sensors"),
        ({"sensors": [DUST | {"warmpu": 30}]}, "sensors"),
        ({"sensors": [DUST, DUST | {"name": "twin"}]}, "sensors"),
        ({"sensors": [DUST | {"name": f"dust {n}", "note": "x" * 300} for n in range(16)]}, "sensors"),
        ({"raw": "yes"}, "raw"),
        ({"outbox": {"max_bytes": 100}}, "outbox"),
        ({"brokers": ["mqtt.city.example:99999"]}, "brokers"),
        ({"levels": False}, "levels"),
    ],
)
def test_what_a_board_would_refuse_is_refused_before_anybody_is_told(city, changes, field):
    for place, name in (("board", "fence-1"), ("site", "tower")):
        with pytest.raises(OrderError, match="would refuse it") as refused:
            city.set(place, name, **changes)
        assert refused.value.field == field
    assert city.send() == {}
    assert city.book.history(city.registry, "board", "fence-1") == []


def test_nobody_s_board_and_nobody_s_site_are_refused(city):
    for place in ("board", "site"):
        with pytest.raises(OrderError, match="not in the registry"):
            city.set(place, "nowhere", interval=30)


def test_who_when_and_why_stay_for_ever(city):
    city.set("site", "tower", interval=30)
    city.set("board", "fence-1", period=2)
    history = city.book.history(city.registry, "board", "fence-1")
    assert [(one.place, one.name, one.settings, one.who, one.reason) for one in history] == [
        ("site", "tower", {"interval": 30}, "zhang", "storm"),
        ("board", "fence-1", {"period": 2}, "zhang", "storm"),
    ]
    with pytest.raises(Exception, match="never changed"):
        city.db.execute("DELETE FROM desired")


def pack_of(city, site):
    """Return the pack of a site's kind."""
    return domains.pack_at(city.registry.sites[site].kind).id


def test_a_pack_is_the_template_of_all_its_boards_a_site_goes_before_it_and_a_board_before_both(city):
    city.set("pack", pack_of(city, "tower"), **EVERYTHING)
    told = city.send()
    assert sorted(told) == ["fence-1", "fence-2"], "the factory's board is of another pack"
    assert told["fence-1"] | {"revision": 0} == EVERYTHING | {"revision": 0}
    city.set("site", "tower", interval=10, raw=False)
    city.set("board", "fence-2", interval=60)
    told = city.send()
    assert [told[id_]["interval"] for id_ in ("fence-1", "fence-2")] == [10, 60]
    assert [told[id_]["raw"] for id_ in ("fence-1", "fence-2")] == [False, False]
    shown = shown_desired(city.book, city.registry, "fence-2")
    assert shown["sources"] == dict.fromkeys(EVERYTHING, "pack") | {"interval": "board", "raw": "site"}
    assert (shown["state"], shown["revision"]) == ("pending", told["fence-2"]["revision"])
    assert [one.place for one in city.book.history(city.registry, "board", "fence-1")] == ["pack", "site"]
    template = shown_template(city.book, city.registry, "site", "tower")
    assert [(one["device"], one["overrides"]) for one in template["boards"]] == [
        ("fence-1", {}),
        ("fence-2", {"interval": 60}),
    ]
    city.set("pack", pack_of(city, "tower"), **dict.fromkeys(EVERYTHING))
    assert "sensors" not in city.send(10)["fence-1"]


def test_what_a_pack_ships_holds_only_when_somebody_has_taken_it_over(city):
    for pack in (pack_of(city, "tower"), pack_of(city, "mill")):
        assert shipped(pack)
    assert city.send() == {}
    pack = pack_of(city, "tower")
    city.set("pack", pack, brokers=["old.example"])
    city.set("pack", pack, **taking_over(city.book, pack))
    assert city.book.settings("pack", pack) == shipped(pack)
    assert city.send()["fence-1"] | {"revision": 0} == shipped(pack) | {"revision": 0}


def test_a_template_is_checked_with_what_each_board_says_itself(city):
    """A site's list of brokers alone is well; with what one board says besides it is too long for a packet."""
    sensors = [
        {
            "name": f"meter {n}",
            "type": "modbus",
            "port": f"tcp:{'h' * 240}:{4001 + n}",
            "address": n + 1,
            "registers": [{"channel": channel, "register": 0, "scale": 0.1}],
        }
        for n, channel in enumerate(("laf", "tsp", "temperature", "humidity", "pressure", "wind_speed", "pm10"))
    ]
    city.set("board", "fence-2", sensors=sensors)
    city.send()
    brokers = [f"{letter * 240}.example:8883" for letter in "abcd"]
    spent = len(json.dumps({"sensors": sensors}))
    assert spent + len(json.dumps({"brokers": brokers})) > 3600 > spent
    with pytest.raises(OrderError, match=r"^fence-2: boards would refuse it") as refused:
        city.set("site", "tower", brokers=brokers)
    assert refused.value.field in {"brokers", "sensors", None}
    assert city.send() == {}
    assert city.book.settings("site", "tower") == {}


def test_of_two_who_change_a_template_the_second_reads_the_first(city):
    pack = pack_of(city, "tower")
    seen = city.book.edition("pack", pack)
    city.book.set(city.registry, "pack", pack, {"interval": 30}, "zhang", "", 1.0, seen)
    with pytest.raises(MeanwhileError, match="zhang"):
        city.book.set(city.registry, "pack", pack, {"interval": 60}, "li", "", 2.0, seen)
    assert city.book.settings("pack", pack) == {"interval": 30}


def test_sensors_changed_at_the_fence_stay_an_override_of_that_board(city):
    city.set("site", "tower", sensors=[DUST])
    first = city.send()["fence-1"]
    city.say("fence-1", {"revision": first["revision"]})
    city.send()
    other = [DUST | {"port": "uart:2:9600:rx=25:tx=26"}]
    at_the_fence(city, first["revision"], sensors=other)
    assert city.book.settings("board", "fence-1") == {"sensors": other}
    assert city.send()["fence-1"]["sensors"] == other
    assert city.book.settings("site", "tower") == {"sensors": [DUST]}


def test_a_board_that_cannot_work_by_it_any_more_is_seen_though_it_had_agreed(city):
    city.set("board", "fence-1", sensors=[DUST])
    revision = city.send()["fence-1"]["revision"]
    city.say("fence-1", {"revision": revision, "problem": "not kept: [Errno 28] ENOSPC"})
    city.send()
    assert city.book.told("fence-1").state == "refused"
    city.say("fence-1", {"revision": revision})
    city.send()
    city.ticks += 10
    city.sender.take_over(city.book)
    assert city.book.told("fence-1").state == "in_force", "its last word counts"
    city.say("fence-1", {"revision": revision, "problem": "sensors: sensor 'dust': its driver is gone"})
    city.ticks += 10
    city.sender.take_over(city.book)
    told = city.book.told("fence-1")
    assert (told.state, told.problem) == ("refused", "sensors: sensor 'dust': its driver is gone")


def test_a_board_that_moves_gets_the_template_of_its_new_site(city):
    city.set("site", "mill", interval=60)
    assert city.send().keys() == {"stack-1"}
    boards = CITY.boards | {"fence-1": type(CITY.boards["fence-1"])(id="fence-1", site="mill")}
    city.registry = type(CITY)(CITY.sites, boards, CITY.keys, CITY.zone)
    assert city.send(0)["fence-1"]["interval"] == 60


def at_the_fence(city, revision, **own):
    city.say("fence-1", {"revision": revision, "own": own})
    city.ticks += 10
    city.sender.take_over(city.book)


def test_what_a_technician_changes_at_the_fence_is_taken_over_and_not_fought(city):
    city.set("site", "tower", interval=30, period=2)
    first = city.send()["fence-1"]
    city.say("fence-1", {"revision": first["revision"]})
    city.send()
    at_the_fence(city, first["revision"], interval=5)
    assert city.book.settings("board", "fence-1") == {"interval": 5}
    second = city.send()["fence-1"]
    assert (second["interval"], second["period"]) == (5, 2)
    assert second["revision"] > first["revision"]
    last = city.book.history(city.registry, "board", "fence-1")[-1]
    assert (last.who, last.reason) == ("fence-1", "changed at the fence, in the board's own file")
    # Heard again, also by a hub that has started anew, it changes nothing that somebody has decided since.
    city.say("fence-1", {"revision": second["revision"]})
    city.set("board", "fence-1", interval=60)
    city.start()
    city.ticks += 10
    city.sender.take_over(city.book)
    city.send()
    at_the_fence(city, first["revision"], interval=5)
    assert city.book.settings("board", "fence-1") == {"interval": 60}


def test_what_the_hub_has_changed_since_stays_and_what_it_has_not_is_taken_over(city):
    city.set("board", "fence-1", interval=30, period=2)
    first = city.send()["fence-1"]
    city.say("fence-1", {"revision": first["revision"]})
    city.send()
    city.set("board", "fence-1", interval=60)
    city.send()
    at_the_fence(city, first["revision"], interval=5, period=4.0)
    assert city.book.settings("board", "fence-1") == {"interval": 60, "period": 4.0}


@pytest.mark.parametrize("own", [{"interval": 7}, {"sensors": []}, {"interval": "x"}, {"relay": {}}, {}, [], None, 7])
def test_what_no_board_can_be_told_is_not_taken_over(city, own):
    city.set("board", "fence-1", interval=30, relay=RULE)
    revision = city.send()["fence-1"]["revision"]
    city.say("fence-1", {"revision": revision, "own": own})
    city.ticks += 10
    city.sender.take_over(city.book)
    assert city.book.settings("board", "fence-1") == {"interval": 30, "relay": RULE}
