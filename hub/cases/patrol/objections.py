"""An objection to what a patrol found, as whoever is responsible for a shop makes one: it is put where it belongs.

Against a case that is over it is an appeal; against one that is under way a remark in its history; against a score, or
what has no case, a case of its own, which a collector looks into.
"""

from hub.cases.desk import CaseDesk
from hub.cases.patrol.visits import KEY, Place
from hub.cases.refusal import as_written, wrong
from hub.cases.rules.records import Case

OTHER = "0599"
"""The class of what no other class is about: other order in the street."""


def object_to(desk: CaseDesk, place: Place, case: int, text: str, key: str) -> Case:
    """Put an objection on record, once; `case`: the case that it is against; 0: it is against none.

    Raises:
        CaseError: it says nothing, or the case cannot be changed.
    """
    if not KEY.fullmatch(key):
        raise wrong("key", "the form has no key; open the page again", "表单缺少标识，请重新打开页面")
    said = f"申诉 Objection: {as_written(text.replace(chr(13), ''), needed=True)}"
    if not case:
        return desk.report(
            "citizen",
            place.district,
            OTHER,
            said,
            lat=place.lat,
            lon=place.lon,
            place=place.words,
            about=place.about,
            key=key,
        )
    known = desk.get(case)
    if (done := desk.book.find_act(desk.user.name, key)) is not None and done.casefile == case:
        return known
    appeals = "appeal" in desk.may(known)
    return desk.act(case, "appeal" if appeals else "comment", said, key=key)
