"""What command lines have in common: how a command is built and its options, who acts, what it prints."""
