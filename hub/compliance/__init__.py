"""The log's consumer that judges: windows, verdicts and what alerts rest on."""
