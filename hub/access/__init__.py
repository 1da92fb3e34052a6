"""Who may use the hub: users with their roles, one token for each."""
