"""Bundles and images: building, flashing, installing, signing."""
