"""The two languages of the hub's output: those of every room, from `schemas.language`."""

from schemas.language import Lang, LangOption, Text, system_language

__all__ = ["Lang", "LangOption", "Text", "system_language"]
