"""The hub's judging over recorded data, without a hub."""
