"""Kinds of rules for rounds: what is done on the way, in which order and when, and what is driven for nothing."""
