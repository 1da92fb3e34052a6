"""What the city's IT does: check, backup, restore."""
