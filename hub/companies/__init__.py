"""Enterprises that are regulated: their outlets, what they mark as invalid, how they compare, a report a month."""
