"""Patrols on a phone: what is due along a street, the checklist of a visit, plates on paper, and what a plate shows."""
