"""What is wrong with a file that people write: its line, the field, the value, what was expected, and what to do.

A type says what it takes by itself: bounds and choices are read from it, and what a pattern means stands beside it, as
``msgspec.Meta(pattern=..., extra=takes("..."))``. Sentences are English; `schemas.chinese` has their other half.
"""

from schemas.faults.explain import Place, as_type, explain, takes, told
from schemas.faults.lines import at, line_of, lines, lines_of

__all__ = ["Place", "as_type", "at", "explain", "line_of", "lines", "lines_of", "takes", "told"]
