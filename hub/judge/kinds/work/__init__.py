"""Kinds of rules on how work is done: stops in their order and at their times, no empty runs, outdoors in heat."""
