"""Cases of a small city: its own rulebook, a clock that the test sets, people of five roles."""

from contextlib import closing
from pathlib import Path

from hub.access.tokens import User
from hub.cases.desk import CaseDesk
from hub.cases.opening import open_cases
from hub.cases.rules.machine import replay
from hub.cases.rules.rulebook import Rulebook
from tests.hub.helpers import CITY, SHANGHAI, at

MONDAY = at("2026-11-02 09:00")
ROLES = {
    "col": "collector",
    "off": "officer",
    "dis": "dispatcher",
    "han": "handler",
    "sup": "supervisor",
    "root": "admin",
    "vie": "viewer",
}
CITY_FILE = """title = "Cases of the test's city"
edition = "2026"
source = "the test"
verified = "U"
areas = { north = "440605" }

[[code]]
code = "2101"
zh = "井盖缺失"
en = "Missing manhole cover"
kind = "component"

[[standard]]
id = "manhole"
code = "2101"
condition_zh = "井盖缺失"
condition_en = "a cover is missing"
amount = 2
unit = "work_day"

[[department]]
id = "greens"
zh = "园林局"
en = "Parks"

[[department]]
id = "roads"
zh = "市政局"
en = "Roads"
people = ["han", "other"]

[[responsible]]
department = "roads"

[[responsible]]
department = "greens"
code = "03"
district = "north"
"""


class CaseCity:
    """The cases in a folder; `now` is the clock."""

    def __init__(self, folder, joined=False, rules_folder=None):
        self.folder, self.joined, self.now = Path(folder), joined, float(MONDAY)
        self.rules_folder = rules_folder or self.folder / "rules"
        self.rules_folder.mkdir(exist_ok=True)
        self.write(CITY_FILE)
        self.db = open_cases(self.folder)
        self.db.execute("PRAGMA synchronous = OFF")  # the tests' speed; kills are tried on the real one

    def write(self, text, name="city.toml"):
        """Write a file of the city's rulebook."""
        (self.rules_folder / name).write_text(text, "utf-8")
        self.rules = Rulebook(self.rules_folder, SHANGHAI)

    def desk(self, name, districts=(), role=""):
        """Return the desk of somebody."""
        user = User(name, role or ROLES[name], tuple(districts))
        return CaseDesk(self.db, self.rules, CITY, lambda: self.now, user, joined=self.joined)

    def report(self, name="off", source="department", code="0302", **more):
        """Take a report."""
        given = {"district": "north", "text": "dust", "place": "Lake Road"} | more
        return self.desk(name).report(source, given.pop("district"), code, given.pop("text"), **given)

    def act(self, id_, name, what, text="", **given):
        """Do something with a case."""
        return self.desk(name).act(id_, what, text, **given)

    def filed(self, **more):
        """Return a case that is filed."""
        case = self.report(**more)
        return self.act(case.id, "off", "file", "not the same")

    def handled(self, **more):
        """Return a case that is with a handler."""
        case = self.filed(**more)
        self.act(case.id, "dis", "dispatch")
        return self.act(case.id, "han", "receive")

    def fed_back(self, **more):
        """Return a case that is fed back."""
        return self.act(self.handled(**more).id, "han", "feed_back", "swept")

    def closed(self, **more):
        """Return a case that is closed."""
        case = self.fed_back(**more)
        self.act(case.id, "off", "send_check")
        self.act(case.id, "col", "inspect", result="pass")
        return self.act(case.id, "off", "close")

    def history(self, id_):
        """Return what was done with a case."""
        return [event.what for event in self.desk("root").book.events(id_)]

    def replayed(self, id_):
        """Return the case to which a history adds up."""
        return replay(self.desk("root").book.events(id_))

    def close(self):
        """Close the database."""
        self.db.close()


def city_in(folder, **more):
    """Return the cases in a folder, to be closed at the end."""
    return closing(CaseCity(folder, **more))
