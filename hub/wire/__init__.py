"""What comes over the wire: topics, messages, seals. Pure: bytes in, values out."""
