"""The console of a city with two enterprises, one of which lets out too much; people of both and of the city visit."""

import contextlib

from tests.hub.alerting import write_files
from tests.hub.companies.plant import HOUR, PLANT, STACK_LIMITS, Plant
from tests.hub.console.pages import a_console
from tests.hub.helpers import NOON

PEOPLE = (
    ("mill-1", "company", (), "mill-co"),
    ("other-1", "company", (), "other-co"),
    ("officer-2", "officer", ()),
    ("officer-3", "officer", ()),
    ("officer-north", "officer", ("north",)),
    ("inspector", "viewer", ()),
    ("root", "admin", ()),
)
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


class Companies:
    """The console (`site`) and what happens at the mill (`plant`)."""

    def __init__(self, site, plant):
        self.site, self.plant = site, plant
        self.doubt = None
        """Why the hub's time is in doubt."""
        self._browsers = {}

    def who(self, name, lang="en"):
        """Return the browser of somebody, signed in."""
        if (name, lang) not in self._browsers:
            self._browsers[name, lang] = self.site.browser(name, lang)
        return self._browsers[name, lang]

    def log(self, name="mill-1", **fields):
        """Log a mark on the page; return the answer."""
        browser = self.who(name)
        page = browser.read("/console/add-mark?outlet=da-1")
        given = {
            "kind": "fault",
            "begin": "2026-03-02T13:00",
            "end": "2026-03-02T14:00",
            "reason": "the lamp of the analyser",
        }
        return browser.send(page, "/console/add-mark", **(given | fields))

    def prove(self, number, name="mill-1", content=PDF, file="protocol.pdf"):
        """Send a document with a mark's form; return the answer."""
        browser = self.who(name)
        fields = browser.read(f"/console/marks/{number}").form(f"/console/marks/{number}/proof").fields
        fields.pop("file", None)
        return browser.http.post(
            f"/console/marks/{number}/proof",
            data=fields,
            files={"file": (file, content, "application/pdf")},
            headers={"origin": browser.url, "sec-fetch-site": "same-origin"},
        )

    def act(self, number, act, name="officer-2", **fields):
        """Do something with a mark on its page, as it stands now; return the answer."""
        browser = self.who(name)
        there = f"/console/marks/{number}"
        return browser.send(browser.read(there), f"{there}/{act}", **fields)


@contextlib.contextmanager
def company_console(folder, hours=4):
    """Serve the console of a city whose mill has run for some hours from noon on 2 March 2026, with a permit."""
    config = write_files(folder)
    with contextlib.closing(Plant(folder / "data")) as plant:
        plant.permit()
        plant.add("enterprise", "other-co", "Other", "另一厂", district="north")
        plant.add("outlet", "db-1", "Other stack", "另一烟囱", district="north", number="DB001", enterprise="other-co")
        plant.hub.now = NOON
        if hours:
            plant.run(hours)
        clock = lambda: plant.hub.now  # noqa: E731 - it moves
        opened = Companies(None, plant)
        with a_console(config, PLANT, clock, PEOPLE, limits=STACK_LIMITS, doubt=lambda: opened.doubt) as site:
            opened.site = site
            yield opened


__all__ = ["HOUR", "PDF", "Companies", "company_console"]
