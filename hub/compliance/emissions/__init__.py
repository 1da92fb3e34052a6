"""What stacks let out, from the log: hours, days, rates and totals of outlets, and warnings before a total is used up.

`hub.judge.stacks` calculates, and its README says from which clause; `book.EmissionBook` is what others ask.
"""
