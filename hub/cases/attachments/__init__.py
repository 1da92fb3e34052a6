"""Photographs and documents of cases: what they are by their content, kept by their SHA-256, shown without EXIF."""
