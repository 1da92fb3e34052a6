"""Domain packs: what a sub-platform knows, as folders of data. README.md tells how one is written."""
