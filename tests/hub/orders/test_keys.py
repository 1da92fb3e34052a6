"""A board's key is rotated: both are good for a while, nothing that a board says is refused, and whoever is killed."""

import json
from contextlib import closing

import pytest

from edge import rekey
from edge.message import Signer, reply
from hub.config.files import load_config
from hub.intake.admission import Admission
from hub.log.outcomes import Admitted
from hub.orders import desk
from hub.orders import sender as sender_module
from hub.orders.book import OrderBook
from hub.orders.desired.book import DesiredBook
from hub.orders.keys import GRACE
from hub.orders.opening import publish_keys
from hub.orders.sender import OrderSender
from hub.orders.tables import PART
from hub.registry.live import LiveRegistry
from hub.storage.compliance_file import open_compliance
from hub.wire.seal import seal
from hub.wire.sealing import disclose, enclose
from schemas import load_quantities
from tests.hub.helpers import CITY, Hub
from tests.hub.orders.test_orders import COMMAND

BASE = CITY.keys["fence-1"]
HOME = "fenceline/1/north/tower/fence-1"


class City:
    """A hub's parts in a folder, killed and started by `start_hub`, and the key file of one board."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.hub = Hub(folder)
        monkeypatch.setattr(sender_module, "KEYS_EVERY", 0.0)
        monkeypatch.setattr(sender_module, "STEADY", 0.0)
        (folder / "registry.toml").write_text(
            '[[site]]\nid = "tower"\ndistrict = "north"\nen = "Tower"\nzh = "塔楼"\nkind = "construction"\n'
            '[[board]]\nid = "fence-1"\nsite = "tower"\n'
        )
        self.set_base(BASE)
        (folder / "fenceline.toml").write_text('registry = "registry.toml"\nkeys = "keys.toml"\ndata = "."\n')
        (folder / "key").write_text(BASE.hex())
        self.start_hub()

    def set_base(self, key):
        path = self.folder / "keys.toml"
        path.touch(0o600)
        path.chmod(0o600)
        path.write_text(f'fence-1 = "{key.hex()}"\n')

    def start_hub(self):
        config = load_config(self.folder / "fenceline.toml")
        publish_keys(config.data, self.hub.now)
        self.live = LiveRegistry(config)
        self.hub.admission.use(self.live.current)
        self.sender = OrderSender(
            self.folder / "compliance.db",
            self.folder / "log.db",
            lambda: self.live.current,
            lambda: self.hub.now,
            lambda: False,
        )

    def close(self):
        self.hub.close()

    @property
    def key(self):
        return bytes.fromhex((self.folder / "key").read_text())

    def book(self):
        return closing(open_compliance(self.folder / "compliance.db", PART))

    def give(self):
        with self.book() as db:
            settings = "rotate-key", {}, "zhang", "yearly", self.hub.now
            return desk.give(OrderBook(db), self.live.current, "fence-1", *settings, 86_400.0).id

    def state(self, id_):
        with self.book() as db:
            return OrderBook(db).get(id_).state

    def look(self, times=3):
        """Let the hub's parts look again; return the commands and configurations that go out."""
        out = []
        for _ in range(times):
            with self.book() as db:
                self.sender.step(OrderBook(db))
                self.sender.rotate(OrderBook(db).keys)
            self.live.refresh(at_once=True)
            self.hub.admission.use(self.live.current)
            out += list(self.sender.outgoing())
        return out

    def ordered(self):
        """Return the command that goes out."""
        said = []
        for _ in range(3):
            said += self.look()
            self.sender._told = {}  # it is time to say it again
        assert {topic for topic, _, _ in said} == {f"{HOME}/command"}
        COMMAND.validate(json.loads(said[-1][1]))
        return said[-1][1]

    def taken(self, key):
        """Tell whether the hub takes what is sealed under a key, from telemetry to events."""
        admission = Admission(self.live.current, load_quantities(), lambda: self.hub.now)
        body = {"stream": "9f3a12c4", "seq": 1, "oldest": 1, "cal": 0, "clock": "ntp"}
        body["records"] = [{"t": int(self.hub.now) // 60 * 60, "dt": 10, "v": {"pm10": 80}}]
        said = admission.judge(f"{HOME}/telemetry", seal(json.dumps(body).encode(), key))
        return isinstance(said, Admitted)

    def obey(self, payload, signer=None):
        """Let the board have the order; it is cut off before it can answer."""
        signer = signer or Signer(self.key)
        return rekey.take(str(self.folder / "key"), signer.unseal(payload)["sealed"], signer)

    def answer(self, id_, key):
        with self.book() as db:
            command = OrderBook(db).get(id_).command_id
        text = reply(command, int(self.hub.now), True, "new key in force")
        self.hub.hear((f"{HOME}/reply", seal(text.encode(), key)))


@pytest.fixture
def city(tmp_path, monkeypatch):
    made = City(tmp_path, monkeypatch)
    yield made
    made.close()


def test_both_keys_are_good_until_the_new_one_was_heard_and_a_while_longer(city):
    id_ = city.give()
    payload = city.ordered()
    (offered,) = city.live.current.others["fence-1"]
    assert city.taken(offered)  # before the board is told of it
    assert city.taken(BASE)
    assert offered.hex().encode() not in payload
    assert city.obey(payload) == offered == city.key
    city.answer(id_, offered)
    city.look()
    assert city.state(id_) == "done"
    assert city.live.current.keys["fence-1"] == offered
    assert city.taken(offered)
    assert city.taken(BASE)  # what was on its way
    city.hub.now += GRACE
    city.look()
    assert city.taken(offered)
    assert not city.taken(BASE)
    assert city.live.current.keys_of("fence-1") == (offered, BASE)  # the log stays verifiable
    assert city.live.current.key_since["fence-1"] == city.hub.now - GRACE


@pytest.mark.parametrize("cut", ["before it is sent", "before it is done", "before it is answered", "afterwards"])
def test_a_hub_that_is_killed_at_any_step_and_its_board_still_understand_each_other(city, cut):
    id_ = city.give()
    if cut == "before it is sent":
        city.look(1)
        city.start_hub()
    payload = city.ordered()
    if cut == "before it is done":
        city.start_hub()
        assert Signer(BASE).unseal(payload)["sealed"] == Signer(BASE).unseal(city.ordered())["sealed"]
    new = city.obey(payload)
    if cut == "before it is answered":
        city.start_hub()
    assert city.taken(new)
    city.answer(id_, new)
    if cut == "afterwards":
        city.start_hub()
    city.look()
    assert (city.state(id_), city.live.current.keys["fence-1"]) == ("done", new)


def test_an_order_that_the_hub_takes_for_failed_does_not_part_it_from_a_board_that_has_done_it(city):
    id_ = city.give()
    new = city.obey(city.ordered())
    city.hub.now += 2 * 86_400
    city.look()
    assert city.state(id_) == "expired"
    assert city.taken(new)
    again = city.give()
    payload = city.ordered()
    # The board hears under the key before, too, and is offered the key that it has.
    assert city.obey(payload, Signer(rekey.before(str(city.folder / "key")))) == new
    city.answer(again, new)
    city.look()
    assert (city.state(again), city.live.current.keys["fence-1"]) == ("done", new)


def test_keys_follow_each_other_and_every_one_still_verifies_what_the_log_has(city):
    keys = [BASE]
    for _ in range(3):
        id_ = city.give()
        keys.append(city.obey(city.ordered()))
        city.answer(id_, keys[-1])
        city.look()
        city.hub.now += GRACE
        city.look()
    assert city.live.current.keys["fence-1"] == keys[-1]
    assert set(city.live.current.keys_of("fence-1")) == set(keys)
    assert [city.taken(key) for key in keys] == [False, False, False, True]


def test_an_order_signed_before_a_new_key_was_heard_can_be_opened_after(city):
    """Two rotations follow each other; the second is signed before the hub has heard the board under its new key."""
    first = city.give()
    new = city.obey(city.ordered())
    city.answer(first, new)
    second = city.give()
    with city.book() as db:
        city.sender.step(OrderBook(db))  # hears the answer to the first
        city.sender.step(OrderBook(db))  # and signs the second: both before it looks who was heard under which key
    early = [payload for _, payload, _ in city.sender.outgoing()]
    with city.book() as db:
        assert OrderBook(db).get(second).command
    payload = city.ordered()
    assert city.live.current.keys["fence-1"] == new
    with pytest.raises(ValueError):
        Signer(BASE).unseal(payload)
    assert city.obey(payload) == new == city.key
    assert all(city.obey(one, Signer(BASE)) == new for one in early)
    city.answer(second, new)
    city.look()
    assert city.state(second) == "done"


def test_a_board_that_was_provisioned_anew_has_the_key_of_keys_toml_again(city):
    id_ = city.give()
    new = city.obey(city.ordered())
    city.answer(id_, new)
    city.look()
    fresh = bytes([7] * 32)
    city.set_base(fresh)
    city.live.refresh(at_once=True)
    assert city.live.current.keys["fence-1"] == fresh
    assert city.taken(fresh)
    assert not city.taken(new)
    # And can be rotated again.
    (city.folder / "key").write_text(fresh.hex())
    id_ = city.give()
    newer = city.obey(city.ordered())
    city.answer(id_, newer)
    city.look()
    assert city.live.current.keys["fence-1"] == newer not in (new, fresh)


def test_a_certificate_is_enclosed_under_the_key_that_its_board_has_when_it_is_sent(city):
    id_ = city.give()
    new = city.obey(city.ordered())
    city.answer(id_, new)
    city.look()
    settings = {"sealed": enclose(b"1 1 0\nck", city.live.current.bases["fence-1"])}
    with city.book() as db:
        asked = "renew-certificate", settings, "zhang", "", city.hub.now
        desk.give(OrderBook(db), city.live.current, "fence-1", *asked)
    sealed = Signer(new).unseal(city.ordered())["sealed"]
    assert disclose(sealed, new) == b"1 1 0\nck"
    assert disclose(sealed, BASE) is None


def test_no_key_lies_open_in_the_database_or_in_the_file(city):
    id_ = city.give()
    new = city.obey(city.ordered())
    city.answer(id_, new)
    city.look()
    for path in city.folder.iterdir():
        if path.name not in ("key", "key.old", "keys.toml"):
            content = path.read_bytes()
            for key in (new, BASE):
                assert key not in content, path
                assert key.hex().encode() not in content, path
    assert (city.folder / "board-keys.json").stat().st_mode & 0o077 == 0


def test_the_configuration_that_the_broker_keeps_is_sealed_anew(city):
    def configure():
        with city.book() as db:
            city.sender.configure(DesiredBook(db))
        return [payload for topic, payload, _ in city.sender.outgoing() if topic == f"{HOME}/config"]

    with city.book() as db:
        settings = "board", "fence-1", {"interval": 30}, "zhang", "", city.hub.now
        DesiredBook(db).set(city.live.current, *settings)
    (first,) = configure()
    revision = Signer(BASE).unseal(first)["revision"]
    event = {"t": int(city.hub.now), "event": "config", "detail": {"revision": revision}, "n": 1}
    city.hub.hear((f"{HOME}/event", seal(json.dumps(event).encode(), BASE)))
    assert configure() == []
    id_ = city.give()
    new = city.obey(city.ordered())
    city.answer(id_, new)
    city.look()
    (again,) = configure()
    assert Signer(new).unseal(again) == Signer(BASE).unseal(first)
    assert configure() == []


def test_a_restored_database_is_what_the_hub_goes_by_at_its_next_start(city):
    id_ = city.give()
    new = city.obey(city.ordered())
    city.answer(id_, new)
    city.look()
    (city.folder / "board-keys.json").unlink()
    city.start_hub()
    assert city.live.current.keys["fence-1"] == new
