"""Files of cases: told by their content, kept once and verbatim, shown without what a camera wrote; nothing is lost."""

import hashlib
import io
import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace
from PIL import Image

from hub.cases.attachments import store
from hub.cases.attachments.content import PDF as PDF_MEDIA
from hub.cases.attachments.content import look_at
from hub.cases.attachments.tables import FILE, STEPS
from hub.cases.refusal import CaseError
from hub.config.files import load_config
from hub.storage.database import open_database
from tests.hub.alerting import run, write_files
from tests.hub.cases.case_city import CaseCity
from tests.hub.cases.pictures import PDF, SECRET, picture


@pytest.fixture
def config(tmp_path):
    config = load_config(write_files(tmp_path))
    config.data.mkdir()
    return config


@pytest.fixture
def city(config):
    with closing(CaseCity(config.data)) as opened:
        yield opened


def refused(function, *arguments, **named):
    with pytest.raises(CaseError) as caught:
        function(*arguments, **named)
    return caught.value


@pytest.mark.parametrize(("kind", "media"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_picture_is_shown_upright_without_what_the_camera_wrote_and_kept_with_it(kind, media):
    content = picture(kind, turned=True)
    assert SECRET.encode() in content
    looked = look_at(content)
    assert looked.media == media
    assert SECRET.encode() not in looked.shown
    with Image.open(io.BytesIO(looked.shown)) as shown:
        assert (shown.format, shown.size) == ("JPEG", (20, 40))
        assert not shown.getexif()
        assert not {"exif", "icc_profile", "comment"} & set(shown.info)
        red, _, blue = shown.getpixel((10, 2))
        assert red > 200 > blue, "what was on the left is on top"


def test_a_large_picture_is_shown_small_and_a_clear_one_on_white():
    with Image.open(io.BytesIO(look_at(picture(size=(4000, 3000))).shown)) as shown:
        assert shown.size == (1600, 1200)
    clear = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(clear, "PNG")
    with Image.open(io.BytesIO(look_at(clear.getvalue()).shown)) as shown:
        assert min(shown.getpixel((5, 5))) > 250


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(40),
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"MZ" + bytes(100),
        picture()[:-200],
        picture("PNG")[:60],
        picture("WEBP")[:40],
        PDF[:-8],
        b"\xff\xd8\xff" + bytes(100),
    ],
)
def test_what_is_none_of_these_or_damaged_is_refused_by_its_content(content):
    assert refused(look_at, content).status == 422


def test_a_bomb_is_refused_before_it_is_decoded():
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 1_000_000
    assert "million" in str(refused(look_at, bomb.getvalue()))


def test_a_document_is_kept_and_not_shown(config, city):
    id_ = city.report().id
    store.attach(city.desk("off"), config, id_, "/home/li/Permit 7.pdf", PDF, "document")
    told, kept = store.of_case(city.desk("vie"), config.data, id_, hashlib.sha256(PDF).hexdigest())
    assert (told.name, told.media, told.size) == ("Permit 7.pdf", PDF_MEDIA, len(PDF))
    assert (kept.content, kept.shown) == (PDF, None)


def test_a_file_is_kept_once_whoever_sends_it_again(config, city):
    one, two = city.report().id, city.report(place="elsewhere").id
    content = picture()
    for _ in range(2):  # a second tap
        store.attach(city.desk("off"), config, one, "a.jpg", content, "before", seen=1)
    assert city.history(one) == ["report", "attach"]
    store.attach(city.desk("col"), config, two, "b.jpg", content, "before")
    assert len(store.stored(config.data)[0]) == 1
    assert "this very file" in str(refused(store.attach, city.desk("col"), config, one, "c.jpg", content, "after"))
    assert city.replayed(one) == city.desk("root").get(one)


def test_a_hub_that_was_killed_between_file_and_history_takes_it_again(config, city):
    id_, content = city.report().id, picture()
    digest = store.keep(config, content)  # and dies
    assert refused(store.of_case, city.desk("off"), config.data, id_, digest).status == 404
    store.attach(city.desk("off"), config, id_, "a.jpg", content, "before")
    assert store.of_case(city.desk("off"), config.data, id_, digest)[1].content == content


def test_who_may_not_act_on_a_case_sends_nothing_there(config, city):
    id_ = city.report().id
    assert refused(store.attach, city.desk("vie"), config, id_, "a.jpg", picture(), "before").status == 403
    south = city.desk("off", districts=("south",))
    assert refused(store.attach, south, config, id_, "a.jpg", picture(), "before").status == 404
    city.act(id_, "off", "refuse", "no")
    assert "is refused" in str(refused(store.attach, city.desk("off"), config, id_, "a.jpg", picture(), "before"))
    assert "by sending it" in str(refused(city.act, city.report(place="b").id, "off", "attach", shows="before"))
    assert not (config.data / FILE).exists()


def test_what_does_not_fit_is_told_and_loses_nothing(config, city):
    id_, first = city.report().id, picture()
    store.attach(city.desk("off"), config, id_, "a.jpg", first, "before")
    small = replace(config, cases=replace(config.cases, attachments_mb=0.001))
    error = refused(store.attach, city.desk("off"), small, id_, "b.jpg", picture(size=(300, 300)), "after")
    assert error.status == 507
    assert "attachments_mb" in str(error)
    large = replace(config, cases=replace(config.cases, attachment_mb=0.0001))
    assert "attachment_mb" in str(refused(store.attach, city.desk("off"), large, id_, "b.jpg", first, "after"))
    low = replace(config, keep=replace(config.keep, free_mb=1e12, free_percent=100.0))
    assert refused(store.attach, city.desk("off"), low, id_, "b.jpg", picture(size=(50, 50)), "after").status == 507
    assert city.history(id_) == ["report", "attach"]
    assert store.find(config.data, hashlib.sha256(first).hexdigest()).content == first


def test_a_full_disk_is_told_and_loses_nothing(config, city, monkeypatch):
    id_, first = city.report().id, picture()
    store.attach(city.desk("off"), config, id_, "a.jpg", first, "before")

    def full(path, steps):
        db = open_database(path, steps)
        db.execute(
            f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}"
        )  # SQLite's own SQLITE_FULL
        return db

    monkeypatch.setattr(store, "open_database", full)
    noise = io.BytesIO()
    Image.effect_noise((200, 200), 90).save(noise, "PNG")
    error = refused(store.attach, city.desk("off"), config, id_, "b.png", noise.getvalue(), "after")
    assert (error.status, "disk is full" in str(error)) == (507, True)
    monkeypatch.undo()
    assert city.history(id_) == ["report", "attach"]
    store.attach(city.desk("off"), config, id_, "b.png", noise.getvalue(), "after")
    assert len(store.stored(config.data)[0]) == 2


def test_the_database_itself_refuses_to_change_or_remove_a_file(config):
    store.keep(config, picture())
    with closing(open_database(config.data / FILE, STEPS)) as db:
        for sql in (
            "DELETE FROM attachment",
            "UPDATE attachment SET content = x'00'",
            "INSERT OR REPLACE INTO attachment SELECT sha256, media, size, stored, x'00', NULL FROM attachment",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(sql)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\gate.jpg", "gate.jpg"),
        ('a"<b>\r\n.jpg', "ab.jpg"),
        ("", "file.jpeg"),
        ("三号门.jpg", "三号门.jpg"),
    ],
)
def test_a_name_is_only_a_name(given, expected):
    assert store.clean(given, "image/jpeg") == expected


def test_the_command_line_attaches_saves_backs_up_and_checks(tmp_path):
    write_files(tmp_path)
    (tmp_path / "gate.jpg").write_bytes(picture())
    where = ("--in", "north", "--code", "0302", "--place", "Lake Road")
    assert run(tmp_path, "cases", "open", "--source", "department", *where, "--text", "dust").code == 0
    done = run(tmp_path, "cases", "attach", 1, tmp_path / "gate.jpg", "--shows", "before")
    assert done.code == 0, done
    digest = hashlib.sha256(picture()).hexdigest()
    assert run(tmp_path, "cases", "attachment", 1, digest, tmp_path / "again.jpg").code == 0
    assert (tmp_path / "again.jpg").read_bytes() == picture()
    assert run(tmp_path, "cases", "attachment", 1, digest, tmp_path / "again.jpg").code == 2, "it exists"
    (tmp_path / "x.txt").write_text("no picture")
    for args in ((tmp_path / "x.txt",), (tmp_path / "none.jpg",)):
        told = run(tmp_path, "cases", "attach", 1, *args, "--shows", "before")
        assert (told.code, "Traceback" in told.err) == (2, False)
    assert run(tmp_path, "backup", tmp_path / "saved.tar.gz").code == 0
    (tmp_path / "data" / FILE).unlink()
    config = load_config(tmp_path / "fenceline.toml")
    from hub.upkeep.checks.cases import check_cases
    from tests.hub.helpers import SHANGHAI

    assert [one.state for one in check_cases(config, SHANGHAI) if one.name == "case files"] == ["problem"]
    assert run(tmp_path, "restore", tmp_path / "saved.tar.gz", "--force").code == 0
    assert run(tmp_path, "cases", "attachment", 1, digest, tmp_path / "back.jpg").code == 0
    assert [one.state for one in check_cases(config, SHANGHAI) if one.name == "case files"] == ["ok"]
