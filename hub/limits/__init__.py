"""The limits of the law as people ask for them: list, show, explain which bind a site."""
