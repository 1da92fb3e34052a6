"""The watch protocol `[3G*...]` of workers' badges and watches: frames, what they say, how they stand in the log."""
