"""Pages of enterprises: outlets, permits, what they mark as invalid, how they compare, a report a month."""
