"""What is wrong with a file of a pack: every fault of it, each with its line, the value, what was expected."""

import re
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from schemas.chinese import in_chinese
from schemas.errors import CatalogueError
from schemas.faults import Place, as_type, explain, line_of, lines_of, told
from schemas.language import Text
from schemas.toml_text import TomlError, read_toml_file

T = TypeVar("T")


class Fault(NamedTuple):
    """One thing to mend. `line` is 0 where it is not known, `field` empty where the file as a whole is meant."""

    file: Path
    line: int
    field: str
    problem: Text

    def text(self) -> Text:
        """Return it as people read it: file, line, field, what is wrong."""
        line, field = (f":{self.line}" if self.line else ""), (f"{self.field}: " if self.field else "")
        field_zh = f"{self.field}：" if self.field else ""
        at = f"{self.file}{line}: "
        return Text(f"{at}{field}{self.problem.en}", f"{at}{field_zh}{self.problem.zh}")


class Faults:
    """The faults found so far, of the file `path` unless another is named."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._texts: dict[Path, dict[Place, int]] = {}

    def add(self, path: Path, place: Place, problem: Text) -> None:
        """Note a fault at a place of a file."""
        self.found.append(Fault(path, self._line(path, place), told(place), problem))

    def add_told(self, path: Path, place: Place, error: Exception) -> None:
        """Note what a reader of the catalogue refused: its text begins with the file."""
        self.add(path, place, bilingual(str(error).removeprefix(f"{path}: ")))

    def refuse(self) -> None:
        """Raise the first fault, if there is any.

        Raises:
            CatalogueError: there is one; the text tells file, line, field and remedy.
        """
        if self.found:
            raise CatalogueError(self.found[0].text().en)

    def _line(self, path: Path, place: Place) -> int:
        if path not in self._texts:
            self._texts[path] = lines_of(path)
        return line_of(place, self._texts[path])


def read(path: Path, type_: type[T], faults: Faults) -> T | None:
    """Return the content of a TOML file as a type, or None after every fault of it has been noted."""
    raw = read_table(path, faults)
    if raw is None:
        return None
    before = len(faults.found)
    for place, problem in explain(raw, type_):
        faults.add(path, place, bilingual(problem))
    if len(faults.found) > before:
        return None
    return as_type(raw, type_)


def read_table(path: Path, faults: Faults) -> dict[str, Any] | None:
    """Return the content of a TOML file, or None after its fault has been noted."""
    try:
        return read_toml_file(path)
    except OSError as error:
        why = error.strerror or "?"
        faults.add(path, (), Text(f"cannot be read ({why}); put the file there", f"无法读取（{why}），请提供该文件"))
    except TomlError as error:
        line = re.search(r"line (\d+)", str(error))
        problem = Text(str(error), f"不是可用的 TOML 文件：{error}")
        faults.found.append(Fault(path, int(line[1]) if line else 0, "", problem))
    return None


def bilingual(problem: str) -> Text:
    """Return what `explain`, or a reader of the catalogue, says of a fault in both languages."""
    return Text(problem, in_chinese(problem))
