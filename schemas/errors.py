"""The error that every room raises for a mistake of the user's."""


class UserError(Exception):
    """A mistake that the user can mend; the text names the thing, the value, what was expected and what to do."""
