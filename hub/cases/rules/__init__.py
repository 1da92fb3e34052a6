"""What cases go by: calendar, codes, standards, the table of transitions, rates; no database, no clock, no screen."""
