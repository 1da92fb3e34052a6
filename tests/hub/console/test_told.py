"""The page of people told: who, at which level, whether messages arrive; and the test message that an admin sends."""

import time

import pytest

from tests.hub.alerting import AlertCity, a_hook, run, write_files
from tests.hub.console.pages import a_console

HERE = "/console/told"
RECIPIENTS = """
[[recipient]]
name = "duty"
url_file = "duty.url"
least = "violation"

[[recipient]]
name = "head.south"
url_file = "head.url"
level = 1
districts = ["south"]
tell = ["escalated"]

[alerts]
escalate_minutes = {critical = 10, violation = 90}
"""


@pytest.fixture
def hook():
    with a_hook() as one:
        yield one


@pytest.fixture
def city(tmp_path, hook):
    for name in ("duty", "head"):
        (tmp_path / f"{name}.url").touch(0o600)
        (tmp_path / f"{name}.url").write_text(hook.url(f"SECRET-{name}"), "utf-8")
    config = write_files(tmp_path, RECIPIENTS)
    with AlertCity(tmp_path / "data", now=time.time()) as alerts, a_console(config) as site:
        site.alerts = alerts
        with site.users() as (access, _):
            access.add("chief", "admin", time.time(), "root")
            access.add("south-admin", "admin", time.time(), "root", ("south",))
            access.add("north-admin", "admin", time.time(), "root", ("north",))
        yield site


def proofs(city):
    return [(row["who"], row["recipient"], row["what"]) for row in city.alerts.rows("SELECT * FROM channel_test")]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_says_who_is_told_of_what_at_which_level_and_keeps_the_addresses(city, lang):
    answer = city.browser("inspector", lang).get(HERE)
    assert "duty" in answer.text
    assert "head.south" in answer.text
    assert "SECRET" not in answer.text
    words = {
        "en": (
            "Told at once",
            "Level 1",
            "violation and above",
            "level 1 after 10 min",
            "level 1 after 1.5 h",
            "never",
        ),
        "zh": ("立即通知", "第1级", "超标及以上", "10分钟后第1级", "1.5小时后第1级", "不上报"),
    }[lang]
    for word in words:
        assert word in answer.text
    assert answer.text.count("<form") == 1, "only an admin sends a test"


def test_a_test_message_arrives_once_and_is_on_record_for_page_and_command_line(city, hook):
    root = city.browser("root")
    page = root.read(HERE)
    assert [root.send(page, f"{HERE}/duty/test").headers["location"] for _ in range(2)] == [f"{HERE}?done=duty"] * 2
    assert len(hook.texts("SECRET-duty")) == 1, "a form that is sent twice sends one message"
    assert "the service took the test message" in root.read(f"{HERE}?done=duty").text
    assert proofs(city) == [("root", "duty", "asked"), ("root", "duty", "taken")]
    assert root.send(root.read(HERE), f"{HERE}/duty/test").status_code == 303
    assert len(hook.texts("SECRET-duty")) == 2
    assert run(city.config.registry.parent, "notify", "test", "--recipient", "duty").code == 0
    assert [(recipient, what) for _, recipient, what in proofs(city)[-2:]] == [("duty", "asked"), ("duty", "taken")]
    assert "test message was taken" in root.read("/console/audit?kind=messages").text


def test_what_a_service_refuses_is_said_without_its_address_and_what_it_had_refused_goes_out_later(city, hook):
    hook.answers += [500]
    root = city.browser("root")
    root.send(root.read(HERE), f"{HERE}/duty/test")
    answer = root.get(f"{HERE}?done=duty")
    assert "the test message was not taken" in answer.text
    assert "SECRET" not in answer.text
    city.alerts.judge(80.0, start=int(city.alerts.now) - 1300)
    city.alerts.db.execute(
        "INSERT INTO notification (alert, step, recipient, state, due, error) VALUES (1, 1, 'duty', 'refused', 0, 'no')"
    )
    assert "given up: 1" in root.read(HERE).text
    assert "Why not taken" not in city.browser("inspector").read(HERE).text
    root.send(root.read(HERE), f"{HERE}/duty/test")
    assert [row["state"] for row in city.alerts.rows("SELECT state FROM notification")] == ["waiting"]


def test_each_sees_whom_their_districts_concern_and_an_admin_tests_only_those_of_them(city, hook):
    north, south = city.browser("north-admin"), city.browser("south-admin")
    assert "head.south" not in north.read(HERE).text
    page = south.read(HERE)
    assert [form.action for form in page.forms if "/told/" in form.action] == [f"{HERE}/head.south/test"]
    fields = page.form(f"{HERE}/head.south/test").fields
    assert south.post(f"{HERE}/duty/test", fields).status_code == 404, "who is told of all districts is not theirs"
    assert south.post(f"{HERE}/nobody/test", fields).status_code == 404
    assert south.post(f"{HERE}/head.south/test", fields | {"form_token": "x"}).status_code == 403
    officer = city.browser("officer-2")
    token = officer.read("/console/me").form("/console/sign-out").fields["form_token"]
    assert officer.post(f"{HERE}/duty/test", {"form_token": token, "seen": "0"}).status_code == 403
    assert hook.got == []
    assert south.send(page, f"{HERE}/head.south/test").status_code == 303
    assert len(hook.texts("SECRET-head")) == 1


def test_where_nobody_is_told_the_page_says_so(tmp_path):
    with a_console(write_files(tmp_path)) as site:
        assert "Nobody is told." in site.browser("inspector").read(HERE).text


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "Recipients and times are not changed here"), ("zh", "通知对象和时间不能在此更改")]
)
def test_the_page_says_plainly_where_and_how_people_told_are_changed(tmp_path, lang, said):
    (tmp_path / "duty.url").write_text("json://127.0.0.1:1/")
    (tmp_path / "head.url").write_text("json://127.0.0.1:1/")
    with AlertCity(tmp_path / "data", now=time.time()), a_console(write_files(tmp_path, RECIPIENTS)) as site:
        page = site.browser("officer-2", lang).read(HERE)
        assert said in page.text
        block = page.text[page.text.index("[[recipient]]") : page.text.index("level = 0") + 9]
    (tmp_path / "north-duty.url").touch(0o600)
    (tmp_path / "north-duty.url").write_text("json://127.0.0.1:1/")
    write_files(tmp_path, block)
    assert "north-duty" in run(tmp_path, "notify", "list", "--json").out, "the example can be taken as it stands"
