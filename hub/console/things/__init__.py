"""Things of packs in the console: lists, pages, forms, files; where those that rules watch are now, and were."""
