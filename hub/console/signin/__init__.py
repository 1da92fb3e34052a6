"""Signing in and out, and what users change of their own access: passphrase, second factor, sessions, language."""
