"""The layout shows the architecture: few files at the top of the hub, and folders that can be taken in at a glance."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("hub", "firmware", "schemas", "sim", "deploy", "docs")
MOST = 15
"""Python files in a folder. The board's code is one flat folder, as MicroPython loads it; dashboards are one a file."""


def test_no_folder_holds_more_files_than_one_can_take_in():
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    crowded = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert crowded
    assert {name: files for name, files in crowded.items() if files > MOST} == {}


def test_the_hub_is_its_packages():
    assert len(list((ROOT / "hub").glob("*.py"))) <= 3
