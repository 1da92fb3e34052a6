"""Looking after a board: watching it, rescuing its records."""
