"""Cases in the console: the list, each case with its seven steps and its acts, the case file on paper, the rates."""
