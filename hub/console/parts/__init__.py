"""What several pages are made of: tables whose order the address keeps, pages of long lists, files, the picture."""
