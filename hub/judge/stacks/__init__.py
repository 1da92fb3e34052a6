"""What leaves a stack, hour by hour: oxygen, operating state, validity, mass; rates and totals. No database, no clock.

`README.md` beside this says what is calculated, and from which clause.
"""
