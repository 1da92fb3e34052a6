"""What `fenceline.toml` says."""
