"""Things that domain packs declare, such as vehicles, permits, areas, routes, bins, shifts: each with dated editions.

`hub.things.store` keeps them and gives them to whoever judges; `hub.things.cli` is `fenceline things`.
"""
