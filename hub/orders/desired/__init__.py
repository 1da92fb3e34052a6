"""How boards are to work: templates of packs and sites, what is other at a board, and what each board says of it."""
