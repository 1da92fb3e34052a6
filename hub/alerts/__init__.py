"""Alerts: their life, what officers do with them, and how they are shown and proved."""
