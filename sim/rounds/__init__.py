"""A simulated day of a city's cleaning: bins, rounds, workers, with planted breaches and look-alikes."""
