"""The checkup of a board, and its report."""
