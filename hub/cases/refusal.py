"""What somebody is told who asks for something that cannot be done with a case."""

from hub.cases.rules.records import Event
from schemas.language import Text

MOST_TEXT = 4000
"""Longest text of a case, characters."""


class CaseError(Exception):
    """Something that cannot be done with a case as it is. `field` names what is wrong, `status` is as in HTTP."""

    def __init__(self, field: str, text: Text, status: int = 409) -> None:
        super().__init__(text.en)
        self.field = field
        self.text = text
        self.status = status


class CaseNewsError(CaseError):
    """What somebody else did with a case in the meantime, and must be read first."""

    def __init__(self, id_: int, news: list[Event]) -> None:
        who = ", ".join(sorted({event.who for event in news}))
        acts = ", ".join(event.what for event in news)
        told = Text(
            f"case {id_}: {who} did something meanwhile ({acts}); read it, then decide",
            f"案件{id_}：{who}已有新的处理（{acts}），请先查看再决定",
        )
        super().__init__("seen", told)
        self.news = news


def wrong(field: str, en: str, zh: str) -> CaseError:
    """Return the refusal of a field that is wrong."""
    return CaseError(field, Text(en, zh), 422)


def as_written(text: str, *, needed: bool = False) -> str:
    """Return what a user wrote.

    Raises:
        CaseError: it is too long, or empty although it is needed.
    """
    text = text.strip()
    if needed and not text:
        raise wrong("text", "expected a text that says why or what was done", "须写明原因或处理情况")
    if len(text) > MOST_TEXT:
        raise wrong("text", f"must not be longer than {MOST_TEXT} characters", f"不能超过{MOST_TEXT}字")
    return text
