"""The console's style sheet, script and icon, each under a name that changes with its content: browsers keep them."""

import hashlib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Static(NamedTuple):
    """A file as it is served."""

    content: bytes
    media_type: str


class Statics:
    """All files of the folder, read once."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}
        self._files: dict[str, Static] = {}
        for path in sorted(FOLDER.iterdir()):
            content = path.read_bytes()
            name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:16]}{path.suffix}"
            self._named[path.name] = name
            self._files[name] = Static(content, TYPES[path.suffix])

    def address(self, name: str) -> str:
        """Return the path under which a file of the folder is served now."""
        return f"/console/static/{self._named[name]}"

    def find(self, name: str) -> Static | None:
        """Return the file of a name with its hash; None: it has another content now, or there is none."""
        return self._files.get(name)
