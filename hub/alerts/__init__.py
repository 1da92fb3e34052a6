"""Alerts: what they are, their life, their audit trail, and the words in which people are told of them."""
