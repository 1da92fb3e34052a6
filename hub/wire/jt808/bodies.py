"""Bodies of messages as values, by tables of their fields; what is read is written again with the same bytes.

Texts are GBK. What is no GBK stands as lone surrogates in a `str`, as Python keeps undecodable bytes: `shown` makes
it fit for people. Zeros that fill up a text of fixed length are left out behind it and added again.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Self

from hub.wire.jt808.position import SIZE, Position, moment

Kind = Literal["number", "digits", "text", "counted", "bytes", "words", "parameters", "bodies"]


class Field(NamedTuple):
    """A field of a body. `size`: its bytes; of what repeats, those of the count before it; 0: all that is left.

    Kinds: `number`; `digits` (BCD); `text`; `counted` (its length in bytes before it); `bytes`; and behind a count
    `words`, `parameters`, and `bodies` (each behind its length).
    """

    name: str
    kind: Kind = "number"
    size: int = 1


class Parameter(NamedTuple):
    """A parameter of the terminal, as 8103 sets it."""

    id: int
    value: bytes


Value = int | str | bytes | tuple[int, ...] | tuple[Parameter, ...] | tuple[bytes, ...]
Edition = Literal[2011, 2013, 2019]

_ACK = Field("serial", size=2), Field("message", size=2), Field("result")
_CARD = (
    Field("status"),
    Field("time", "digits", 6),
    Field("result"),
    Field("name", "counted"),
    Field("licence", "text", 20),
    Field("issuer", "counted"),
    Field("expiry", "digits", 4),
)
_BATCH = Field("count", size=2), Field("kind"), Field("bodies", "bodies", 0)
_PLACE = Field("position", "bytes", 0)


def _registration(maker: int, model: int, id_: int) -> tuple[Field, ...]:
    return (
        Field("province", size=2),
        Field("city", size=2),
        Field("maker", "text", maker),
        Field("model", "text", model),
        Field("terminal", "text", id_),
        Field("colour"),
        Field("plate", "text", 0),
    )


LAYOUTS: Mapping[int, Mapping[int, tuple[Field, ...]]] = {
    0x0001: {2013: _ACK},
    0x0002: {2013: ()},
    0x0003: {2013: ()},
    0x0100: {2011: _registration(5, 8, 7), 2013: _registration(5, 20, 7), 2019: _registration(11, 30, 30)},
    0x0102: {
        2013: (Field("code", "text", 0),),
        2019: (Field("code", "counted"), Field("imei", "text", 15), Field("software", "text", 20)),
    },
    0x0200: {2013: (_PLACE,)},
    0x0201: {2013: (Field("serial", size=2), _PLACE)},
    0x0701: {2013: (Field("length", size=4), Field("waybill", "bytes", 0))},
    0x0702: {2013: _CARD, 2019: (*_CARD, Field("identity", "text", 20))},
    0x0704: {2013: _BATCH},
    0x8001: {2013: _ACK},
    0x8003: {
        2013: (Field("serial", size=2), Field("count"), Field("parts", "words", 0)),
        2019: (Field("serial", size=2), Field("count", size=2), Field("parts", "words", 0)),
    },
    0x8100: {2013: (Field("serial", size=2), Field("result"), Field("code", "text", 0))},
    0x8103: {2013: (Field("count"), Field("parameters", "parameters", 0))},
    0x8104: {2013: ()},
    0x8300: {
        2013: (Field("flags"), Field("text", "text", 0)),
        2019: (Field("flags"), Field("kind"), Field("text", "text", 0)),
    },
}
"""Fields by message and by the first edition that has them so (2013: P; 2011, 2019: S). Of 0100 in 2011 the model has
8 bytes, 20 in 2013: what is shorter than the longer one is the older one."""

_CARD_OUT = 0x02
_SHORTEST_2013 = 37  # of a registration, without the plate


class Content(NamedTuple):
    """What a body says. `edition`: of its fields; None: they are not known, and `rest` is the body.

    `rest`: what follows the fields.
    """

    message: int
    edition: Edition | None
    values: Mapping[str, Value]
    rest: bytes = b""

    @classmethod
    def make(cls, message: int, edition: Edition = 2013, /, **values: Value) -> Self:
        """Return the content of these values; a `count` may be left out.

        Raises:
            ValueError: a value is missing, or there is no such field.
        """
        known = LAYOUTS.get(message, {})
        edition = edition if edition in known else 2013
        fields = known.get(edition)
        if fields is None:
            raise ValueError(f"message {message:04X}: its fields are not known; expected one of the table")
        repeated = next((field for field in fields if field.kind in {"words", "parameters", "bodies"}), None)
        given: dict[str, Value] = dict(values)
        if repeated is not None and isinstance(several := values.get(repeated.name), tuple):
            given.setdefault("count", len(several))
        names = [field.name for field in fields]
        if wrong := [*(given.keys() - names), *(set(names) - given.keys())]:
            raise ValueError(f"message {message:04X}: {', '.join(sorted(wrong))}: expected exactly {', '.join(names)}")
        return cls(message, edition, {name: given[name] for name in names})

    @classmethod
    def parse(cls, message: int, body: bytes, *, newer: bool) -> "tuple[Content, set[str]]":
        """Return what a body says, and what is wrong with it. `newer`: its header is of 2019."""
        known = LAYOUTS.get(message)
        if known is None:
            return cls(message, None, {}, body), {"message_unknown"}
        edition: Edition = 2019 if newer and 2019 in known else 2013
        if message == 0x0100 and not newer and len(body) < _SHORTEST_2013:
            edition = 2011
        fields = known[edition]
        if message == 0x0702 and body[:1] == bytes((_CARD_OUT,)) and len(body) == 7:
            fields = fields[:2]  # the card was taken out: nothing else is said (2013, table 75)
        reader = _Reader(body)
        values = {field.name: reader.take(field) for field in fields}
        if reader.short:
            return cls(message, None, {}, body), {"body_short"}
        content = cls(message, edition, values, body[reader.at :])
        return content, content._faults()

    def encode(self) -> bytes:
        """Return the body.

        Raises:
            ValueError: a value does not fit its field.
        """
        if self.edition is None:
            return self.rest
        fields = LAYOUTS[self.message][self.edition]
        return b"".join(_written(field, self.values[field.name]) for field in fields if field.name in self.values) + (
            self.rest
        )

    @property
    def bodies(self) -> tuple[bytes, ...]:
        """The bodies of positions in it, as they were sent."""
        if "position" in self.values:
            one = self.values["position"]
            return (one,) if isinstance(one, bytes) else ()
        several = self.values.get("bodies", ())
        return tuple(one for one in several if isinstance(one, bytes)) if isinstance(several, tuple) else ()

    @property
    def positions(self) -> list[Position]:
        """The positions in it; what is too short for one is left out."""
        return [found for body in self.bodies if (found := Position.parse(body)) is not None]

    def number(self, name: str) -> int:
        """Return a number by its field's name; -1: it is not there."""
        value = self.values.get(name)
        return value if isinstance(value, int) else -1

    def text(self, name: str) -> str:
        """Return a text by its field's name, without what fills it up; empty: it is not there."""
        value = self.values.get(name)
        return value.strip("\0 ") if isinstance(value, str) else ""

    def _faults(self) -> set[str]:
        found = {"body_long"} if self.rest else set()
        for value in self.values.values():
            if isinstance(value, str) and any("\udc80" <= sign <= "\udcff" for sign in value):
                found.add("text")
        count = self.values.get("count")
        repeated = next((value for value in self.values.values() if isinstance(value, tuple)), None)
        if repeated is not None and count != len(repeated):
            found.add("count")
        if "length" in self.values and self.values["length"] != len(_bytes(self.values["waybill"])):
            found.add("count")
        if self.message == 0x0702 and moment(str(self.values["time"])) is None:
            found.add("time")
        for body in self.bodies:
            one = Position.parse(body)
            found |= {"body_short"} if one is None else one.faults()
        return found


def shown(text: str) -> str:
    """Return a text for people: without filling zeros, and with a mark for each byte that is no GBK."""
    return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text.strip("\0"))


def text_of(data: bytes) -> str:
    """Return GBK as text, so that `bytes_of` gives the same bytes again."""
    text = data.decode("gbk", "surrogateescape")
    # A few bytes that GBK reads it writes as others.
    return text if bytes_of(text) == data else data.decode("ascii", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return a text in GBK.

    Raises:
        ValueError: it has signs that GBK does not have.
    """
    try:
        return text.encode("gbk", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r}: GBK has no {text[error.start]!r}; write it without") from None


class _Reader:
    """Takes fields from a body, one after the other; `short`: it ended too early."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.at = 0
        self.short = False

    def take(self, field: Field) -> Value:
        """Return the value of the next field."""
        match field.kind:
            case "number":
                return int.from_bytes(self._bytes(field.size))
            case "digits":
                return self._bytes(field.size).hex()
            case "counted":
                return text_of(self._bytes(int.from_bytes(self._bytes(1))))
            case "text":
                data = self._bytes(field.size or len(self._body) - self.at)
                return text_of(data.rstrip(b"\0") if field.size else data)
            case "bytes":
                return self._bytes(len(self._body) - self.at)
            case "words":
                data = self._bytes((len(self._body) - self.at) // 2 * 2)
                return tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
            case "parameters":
                return tuple(Parameter(int.from_bytes(id_), value) for id_, value in self._several(4, 1))
            case "bodies":
                return tuple(value for _, value in self._several(0, 2))

    def _bytes(self, size: int) -> bytes:
        found = self._body[self.at : self.at + size]
        self.short = self.short or len(found) < size
        self.at += len(found)
        return found

    def _several(self, id_size: int, length_size: int) -> list[tuple[bytes, bytes]]:
        """Return ids and values, as far as they are whole."""
        found: list[tuple[bytes, bytes]] = []
        while True:
            begin = self.at + id_size + length_size
            length = int.from_bytes(self._body[self.at + id_size : begin])
            if begin > len(self._body) or begin + length > len(self._body):
                return found
            found.append((self._body[self.at : self.at + id_size], self._body[begin : begin + length]))
            self.at = begin + length


def _written(field: Field, value: Value) -> bytes:
    try:
        match field.kind:
            case "number" if isinstance(value, int):
                return value.to_bytes(field.size)
            case "digits" if isinstance(value, str):
                found = bytes.fromhex(value)
            case "text" if isinstance(value, str):
                found = bytes_of(value)
                return found.ljust(_fitting(field, found), b"\0")
            case "counted" if isinstance(value, str):
                return len(found := bytes_of(value)).to_bytes(1) + found
            case "bytes" if isinstance(value, bytes):
                return value
            case "words" | "parameters" | "bodies" if isinstance(value, tuple):
                return b"".join(_one(one) for one in value)
            case _:
                found = b""
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{field.name} = {value!r}: {error}") from None
    if field.kind != "digits" or not isinstance(value, str) or len(found) != field.size:
        raise ValueError(f"{field.name} = {value!r}: expected {field.kind} of {field.size} bytes")
    return found


def _fitting(field: Field, found: bytes) -> int:
    if field.size and len(found) > field.size:
        raise ValueError(f"{len(found)} bytes; expected at most {field.size}")
    return field.size


def _one(value: int | Parameter | bytes) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(2)
    if isinstance(value, Parameter):
        return value.id.to_bytes(4) + len(value.value).to_bytes(1) + value.value
    return len(value).to_bytes(2) + value


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


def batches(bodies: Sequence[bytes], most: int) -> list[tuple[bytes, ...]]:
    """Return bodies of positions in groups that a 0704 of at most `most` bytes can hold.

    Raises:
        ValueError: one alone is too long.
    """
    groups: list[list[bytes]] = [[]]
    left = most - 3
    for body in bodies:
        if len(body) + 2 > most - 3 or len(body) < SIZE:
            raise ValueError(f"a position of {len(body)} bytes: expected {SIZE} to {most - 5}")
        if len(body) + 2 > left:
            groups.append([])
            left = most - 3
        groups[-1].append(body)
        left -= len(body) + 2
    return [tuple(group) for group in groups if group]
