"""Tables as people have them: any spreadsheet's CSV in, with the names, units and times they write; safe CSV out.

One reader for all that takes a table from outside: recorded data, a reference beside a board, a registry. It knows no
database and no screen, and names file, line and cause of whatever it cannot take.
"""
