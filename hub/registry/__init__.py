"""The city's registry: districts, sites and boards, read whole or refused, edited, imported and exported."""
