"""The errors of the contract: a mistake of the user's, and a file of the catalogue that cannot be used."""


class UserError(Exception):
    """A mistake that the user can mend; the text names the thing, the value, what was expected and what to do."""


class CatalogueError(Exception):
    """A catalogue file that cannot be used; its text tells the user what to mend."""
