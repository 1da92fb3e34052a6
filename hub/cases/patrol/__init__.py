"""Collectors on patrol: the plates by which things are known on the street, and what was found at each visit."""
