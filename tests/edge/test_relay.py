"""The relay for dust suppression: by its own rule, on its own readings, with nothing of the network in sight."""

from edge.checks import relay as problem
from edge.relay import Relay

RULE = {"quantity": "pm10", "on": 150, "off": 100, "least": 60, "most": 600}


class Contact:
    """A relay whose clock is turned by hand; `moves` are the contact's, `told` what was said of them."""

    def __init__(self, **changes):
        self.s = 1000
        self.moves = []
        self.told = []
        self.relay = Relay(self.moves.append, lambda: self.s * 1000, self.told.append)
        self.moves.clear()
        self.relay.rule = dict(RULE)
        self.relay.rule.update(changes)

    def record(self, pm10, after=10, flag=None):
        """Let a record be made `after` so many seconds; return whether the relay is on."""
        self.s += after
        self.relay.judge({} if pm10 is None else {"pm10": pm10}, {"pm10": flag} if flag else {})
        return self.relay.on


def test_on_at_the_threshold_and_off_only_below_the_lower_one():
    contact = Contact(least=0)
    assert [contact.record(value) for value in (149, 150, 149, 100, 99)] == [False, True, True, True, False]
    assert contact.moves == [True, False]


def test_it_stays_on_and_off_for_the_least_time():
    contact = Contact()
    assert contact.record(150)
    assert contact.record(50, 59)
    assert not contact.record(50, 1)
    assert not contact.record(500, 59)
    assert contact.record(500, 1)


def test_the_first_dust_after_a_start_need_not_wait():
    assert Contact().record(150, 0)


def test_it_is_off_after_the_most_time_and_pauses_before_it_goes_on_again():
    contact = Contact()
    assert contact.record(500)
    assert contact.record(500, 599)
    assert not contact.record(500, 1)
    assert not contact.record(500, 59)
    assert contact.record(500, 1)


def test_least_and_most_may_be_absent():
    contact = Contact()
    contact.relay.rule = {"quantity": "pm10", "on": 150, "off": 100}
    assert contact.record(150)
    assert contact.record(50, 59)
    assert not contact.record(50, 1)
    assert contact.record(500, 60)
    assert contact.record(500, 1799)
    assert not contact.record(500, 1)


def test_a_flagged_value_switches_nothing_on():
    contact = Contact()
    assert not contact.record(500, flag="D")
    assert not contact.record(None, flag="B")


def test_without_a_normal_value_it_goes_off_after_the_least_time():
    for pm10, flag in ((500, "D"), (None, "B"), (None, None)):
        contact = Contact()
        assert contact.record(500)
        assert contact.record(pm10, 59, flag)
        assert not contact.record(pm10, 1, flag)


def test_without_a_rule_dust_switches_nothing():
    contact = Contact()
    contact.relay.rule = None
    assert not contact.record(500)
    assert contact.moves == []


def test_an_order_goes_before_the_rule_until_its_time_is_over():
    contact = Contact(least=0)
    contact.relay.order(True, 300)
    assert contact.relay.on
    assert contact.record(10, 299)
    assert not contact.record(10, 1)
    contact.relay.order(False, 300)
    assert not contact.record(500, 299)
    assert contact.record(500, 1)


def test_an_order_may_come_again_and_the_last_one_counts():
    contact = Contact(least=0)
    contact.relay.order(True, 60)
    contact.record(10, 30)
    contact.relay.order(True, 60)
    assert contact.record(10, 59)
    assert not contact.record(10, 1)
    contact.relay.order(True, 600)
    contact.relay.order(False, 600)
    assert not contact.record(500, 599)


def test_without_a_rule_the_order_s_end_switches_off():
    contact = Contact()
    contact.relay.rule = None
    contact.relay.order(True, 60)
    assert contact.record(500, 59)
    assert not contact.record(500, 1)
    assert contact.told[-1] == {"on": False, "why": "the order is over"}


def test_each_switching_is_told_once_with_why():
    contact = Contact(least=0)
    for value in (150, 170, 150, 120, 90, 80):
        contact.record(value)
    contact.record(200)
    contact.record(200, 600)
    contact.record(200)
    contact.record(None, flag="B")
    contact.relay.order(True, 120)
    contact.relay.order(True, 120)
    assert [detail["on"] for detail in contact.told] == contact.moves
    assert [detail["why"] for detail in contact.told] == [
        "pm10 150, on at 150",
        "pm10 90, off below 100",
        "pm10 200, on at 150",
        "on for 600 s",
        "pm10 200, on at 150",
        "no normal value of pm10",
        "ordered for 120 s",
    ]


def test_why_names_values_as_they_are():
    contact = Contact(quantity="co", on=1.5, off=0.75, least=0)
    contact.relay.judge({"co": 1.75}, {})
    contact.relay.judge({"co": 0.5}, {})
    assert [detail["why"] for detail in contact.told] == ["co 1.75, on at 1.5", "co 0.5, off below 0.75"]


def test_a_rule_that_is_taken_away_leaves_nothing_running():
    contact = Contact(least=0)
    assert contact.record(500)
    contact.relay.rule = None
    assert not contact.record(500)
    assert contact.moves == [True, False]


def test_at_the_start_the_contact_is_where_the_relay_believes_it_to_be():
    # A restart of the interpreter alone leaves a pin as it was: the pump would run and nobody would switch it off.
    moves = []
    relay = Relay(moves.append, lambda: 0, lambda detail: None)
    assert moves == [relay.on] == [False]


def test_a_good_rule_has_no_problem():
    assert problem(RULE) is None
    assert problem({"quantity": "pm10", "on": 0.5, "off": 0}) is None


def test_a_wrong_rule_is_refused_with_a_sentence():
    changes = (
        {"quantity": None},
        {"quantity": 10},
        {"quantity": "pm_10"},
        {"on": "150"},
        {"off": None},
        {"off": 150},
        {"off": 151},
        {"least": "60"},
        {"least": -1},
        {"least": None},
        {"most": 0},
        {"most": [1]},
        {"most": "long"},
        {"colour": "red"},
    )
    rules = [dict(RULE) for _ in changes]
    for rule, change in zip(rules, changes):  # noqa: B905 (MicroPython)
        rule.update(change)
    wrong = []
    for rule in rules + [{}, [], None, "pm10", 5]:  # noqa: RUF005 (MicroPython)
        try:
            told = problem(rule)
            if not (told and told.startswith("relay: ")):
                wrong.append(("accepted", rule))
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append((error.__class__.__name__, rule))
    assert wrong == []
