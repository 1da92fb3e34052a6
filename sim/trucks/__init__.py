"""Simulated muck trucks: a generated city, nights with planted breaches and look-alikes, and how judging did."""
