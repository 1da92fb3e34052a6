"""Simulated muck trucks: a generated city, nights of work with planted breaches and look-alikes, and how judging did."""
