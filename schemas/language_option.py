"""The option --lang of a command: apart from the languages, which need no command line."""

from typing import Annotated

import typer

from schemas.language import Lang

LangOption = Annotated[
    Lang | None, typer.Option("--lang", help="Language of what is printed.", show_default="as the system's")
]
"""The option --lang of a command; `system_language()` stands in where it is left out."""
