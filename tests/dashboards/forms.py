"""Finds forms of InfluxQL that engines answer differently: InfluxDB one way, openGemini (1.5) another.

- A function of time (`moving_average` and its like) of an aggregate: openGemini gives no rows and no error. The
  aggregate stands in a statement of its own within, with a name.
- A regular expression that is not bound at both ends: openGemini takes it for the whole text in some places.
- Several measurements in one statement: InfluxDB keeps their series apart, openGemini merges them.
- A measurement that the hub does not make at its start: openGemini answers with an error until its first point.
"""

import itertools
import re
from typing import NamedTuple

TRANSFORMS = {
    "chande_momentum_oscillator",
    "cumulative_sum",
    "derivative",
    "difference",
    "double_exponential_moving_average",
    "elapsed",
    "exponential_moving_average",
    "holt_winters",
    "holt_winters_with_fit",
    "kaufmans_adaptive_moving_average",
    "kaufmans_efficiency_ratio",
    "moving_average",
    "non_negative_derivative",
    "non_negative_difference",
    "relative_strength_index",
    "triple_exponential_derivative",
    "triple_exponential_moving_average",
}
_REGEX = re.compile(r"\s*(?P<regex>/(?:\\.|[^/\\])+/)")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')|(?P<name>\"(?:\\.|[^\"\\])*\")|(?P<word>[$\w][\w.]*|\$\{\w+\}\w*)"
    r"|(?P<sign>=~|!~|<=|>=|!=|[-+*/%(),;=<>.]))"
)


class Token(NamedTuple):
    kind: str
    text: str


def tokens(statement):
    """Return the words, names, texts, regular expressions and signs of a statement."""
    found, at = [], 0
    while at < len(statement.rstrip()):
        expected = found and found[-1].text.upper() in {"=~", "!~", "FROM"}
        match = (_REGEX.match(statement, at) if expected else None) or _TOKEN.match(statement, at)
        assert match, f"not understood: {statement[at:]}"
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def sources(of):
    """Yield for each FROM of a statement the sources that it names: measurements, and `(` for a statement within."""
    for index, token in enumerate(of):
        if token.text.upper() != "FROM":
            continue
        named, depth = [of[index + 1]], 0
        for following in of[index + 1 :]:
            depth += (following.text == "(") - (following.text == ")")
            if depth < 0 or (depth == 0 and following.text.upper() in {"WHERE", "GROUP", "ORDER", "LIMIT", "WITH"}):
                break
            if depth == 0 and following.text == ",":
                named.append(following)
        yield named


def whole(regex):
    """Tell whether a regular expression, slashes and all, is bound at both ends, whichever part of it matches."""
    body = regex[1:-1]
    if not (body.startswith("^") and body.endswith("$")):
        return False
    depth = 0
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            return False
    return True


def differences(statement, measurements):
    """Return what engines answer differently in a statement, a sentence each; none if they agree.

    `measurements`: those that the hub makes at its start.
    """
    of = tokens(statement)
    names = {b.text for a, b in itertools.pairwise(of) if a.text.upper() == "AS"}
    found = []
    for index, token in enumerate(of):
        if token.text.lower() in TRANSFORMS and of[index + 1].text == "(":
            first = of[index + 2]
            if of[index + 3].text == "(":
                found.append(f"{token.text} of an aggregate, {first.text}")
            elif first.text not in names:
                found.append(f"{token.text} of {first.text}, which no statement within names")
        if token.kind == "regex" and not whole(token.text):
            found.append(f"{token.text} is not bound at both ends")
    for named in sources(of):
        if len(named) > 1 or named[0].kind == "regex":
            found.append("several measurements in one statement")
        if named[0].kind == "name" and named[0].text.strip('"') not in measurements:
            found.append(f"{named[0].text} does not exist until its first point")
    if not list(sources(of)):
        found.append("no measurement is named")
    return found
