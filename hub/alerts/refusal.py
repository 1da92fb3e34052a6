"""What an officer is told who asks for something that cannot be done."""

from schemas.language import Text

MOST_TEXT = 2000
"""Longest comment or reason, characters."""


class DeskError(Exception):
    """Something that cannot be done with an alert as it is. `field` names what is wrong, `status` is as in HTTP."""

    def __init__(self, field: str, text: Text, status: int = 409) -> None:
        super().__init__(text.en)
        self.field = field
        self.text = text
        self.status = status


def as_written(text: str, *, needed: str = "") -> Text:
    """Return what a user wrote, in both languages as it is.

    Raises:
        DeskError: it is too long, or empty although it is needed (then the field's name).
    """
    text = text.strip()
    if needed and not text:
        raise DeskError(needed, Text("must not be empty", "不能为空"), 422)
    if len(text) > MOST_TEXT:
        raise DeskError(
            needed or "text", Text(f"must not be longer than {MOST_TEXT} characters", f"不能超过{MOST_TEXT}字"), 422
        )
    return Text(text, text)
