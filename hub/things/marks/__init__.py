"""Marks: periods that those who are watched say do not count, such as calibrations; only ever added to.

`hub.things.marks.records` tells what a mark comes to, `hub.things.marks.store` keeps them.
"""
