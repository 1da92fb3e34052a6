"""Texts in the length that a service takes, counted as the service counts: bytes, UTF-16 units, parts of an SMS.

apprise counts characters, and a Chinese character has three bytes in UTF-8 and six as JSON writes it. What is too long
is refused as a whole. So a text is split here: between lines, else words, never inside a character.

The limits, S (from integrations of others and the services' answers) unless marked U: WeCom 2,048 bytes of UTF-8 (40058
above it; 4,096 for Markdown, which we do not send), the same for messages of its applications, which are cut there;
DingTalk 20,000 bytes of the request (460101), Feishu and Lark 20 KB of it (U), in which apprise writes a Chinese
character with up to six bytes; Telegram 4,096 and Discord 2,000 UTF-16 units; ntfy 4,096 bytes; an SMS 160 characters
of GSM 03.38 or 70 UTF-16 units with any other character, 67 of them in a part of several.
"""

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import apprise

Size = Callable[[str], int]


def utf8(text: str) -> int:
    """Count bytes of UTF-8."""
    return len(text.encode())


def escaped(text: str) -> int:
    """Count bytes as JSON writes them in ASCII."""
    return len(json.dumps(text)) - 2


def utf16(text: str) -> int:
    """Count UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_TWICE = frozenset("^{}\\[~]|€")
"""Characters of GSM 03.38 that take two places."""

IN_BYTES: dict[str, tuple[int, Size]] = {
    "wecombot": (2048, utf8),
    "wechat": (2048, utf8),
    "dingtalk": (19_500, escaped),  # the rest of the request needs some room
    "feishu": (19_500, escaped),
    "lark": (19_500, escaped),
    "ntfy": (4096, utf8),
    "ntfys": (4096, utf8),
    "irc": (380, utf8),
    "ircs": (380, utf8),
}
"""Limits that apprise does not count as the service does, by the scheme of the address."""
SMS = {140: 70, 160: 70, 1200: 525, 1224: 536}
"""What SMS gateways take of text with a character outside GSM 03.38, UTF-16 units, by what they take of other text."""
_BREAK = re.compile(r"(?<=[\s，。；、：！？）》】|])|(?=[（《【])")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a text goes into one message of a service."""

    most: int
    size: Size
    with_title: bool
    """The title takes part of it."""

    def split(self, title: str, body: str) -> list[tuple[str, str]]:
        """Return the messages, titles and bodies, in which the text fits; `title` alone is repeated with a number."""
        if self._fits(title, body):
            return [(title, body)]
        digits = 1
        while True:
            mark = f" ({'9' * digits}/{'9' * digits})"
            if self.with_title and title and 3 * self.size(title + mark) > self.most:
                # As in an SMS: so long a title stands once, and the text is the rest.
                return [("", piece) for piece in self._pieces(f"{title}\n{body}", self.most)]
            pieces = self._pieces(
                body, self.most - (self.size(f"{title}{mark}\r\n") if self.with_title and title else 0)
            )
            count = len(pieces)
            if len(str(count)) <= digits:
                return [(f"{title} ({n}/{count})" if title else "", piece) for n, piece in enumerate(pieces, 1)]
            digits += 1

    def cut(self, title: str, body: str) -> list[tuple[str, str]]:
        """Return the one message with as much of the text as fits."""
        if self._fits(title, body):
            return [(title, body)]
        if self.with_title and self.size(title) + 2 > self.most // 2:
            return [("", self._pieces(f"{title}\n{body}", self.most)[0])]
        room = self.most - (self.size(f"{title}\r\n") if self.with_title else 0)
        return [(title, self._pieces(body, room)[0])]

    def _fits(self, title: str, body: str) -> bool:
        text = f"{title}\r\n{body}" if self.with_title and title else body
        return self.size(text) <= self.most

    def _pieces(self, text: str, room: int) -> list[str]:
        pieces: list[str] = []
        held = ""
        for line in text.splitlines():
            longer = f"{held}\n{line}" if held else line
            if self.size(longer) <= room:
                held = longer
                continue
            if held:
                pieces.append(held)
            *full, held = self._words(line, room)
            pieces += full
        return [*pieces, held] if held or not pieces else pieces

    def _words(self, line: str, room: int) -> list[str]:
        """Split a line between words, or where a word is longer than all the room, between characters."""
        words, pieces, at = _BREAK.split(line), [], 0
        while at < len(words):
            count = self._count(words[at : at + room], room)
            if count == 0:
                *full, words[at] = self._characters(words[at], room)
                pieces += full
                count = max(1, self._count(words[at : at + room], room))
            pieces.append("".join(words[at : at + count]).strip())
            at += count
        return [piece for piece in pieces if piece] or [""]

    def _characters(self, word: str, room: int) -> list[str]:
        characters, pieces, at = list(_whole_characters(word)), [], 0
        while at < len(characters):
            count = max(1, self._count(characters[at : at + room], room))
            pieces.append("".join(characters[at : at + count]))
            at += count
        return pieces

    def _count(self, parts: list[str], room: int) -> int:
        """Return how many of the parts, from the first on, fit together."""
        return bisect_right(range(1, len(parts) + 1), room, key=lambda n: self.size("".join(parts[:n]).rstrip()))


def room_of(service: apprise.NotifyBase) -> Room:
    """Return how much a service takes in one message."""
    scheme = scheme_of(service)
    amalgamated = service.overflow_amalgamate_title or service.title_maxlen <= 0
    most, size = IN_BYTES.get(scheme, (service.body_maxlen, utf16))
    if scheme not in IN_BYTES and service.title_maxlen <= 0 and most in SMS:
        other = SMS[most]

        def sms(text: str, gsm: int = most) -> int:
            """Count in the places of GSM 03.38, of which any other character leaves less than half."""
            if all(c in GSM or c in GSM_TWICE for c in text):
                return len(text) + sum(c in GSM_TWICE for c in text)
            return -(-utf16(text) * gsm // other)

        size = sms
    return Room(most, size, amalgamated)


def scheme_of(service: apprise.NotifyBase) -> str:
    """Return by which scheme apprise knows a service, whatever form its address had."""
    return str(service.url()).partition("://")[0].lower()  # type: ignore[no-untyped-call]


def _whole_characters(text: str) -> Iterator[str]:
    """Yield what people see as one character: a base with what combines with it."""
    held = ""
    for c in text:
        joins = unicodedata.combining(c) or c in "\u200d\ufe0e\ufe0f" or held.endswith("\u200d")
        if held and not joins:
            yield held
            held = ""
        held += c
    if held:
        yield held
