"""The hub: takes the boards' messages, keeps each one verbatim, passes readings on, judges them against the law."""
