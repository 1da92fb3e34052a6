"""Modules that are needed once in a while and are not kept in the heap."""

import sys

import edge


def borrow(name):
    """Return the module `edge.NAME`; its heap is free again when the caller has let go of what it returned."""
    whole = "edge." + name
    __import__(whole)
    module = sys.modules.pop(whole)
    if hasattr(edge, name):
        delattr(edge, name)
    return module
