"""The topics of the contract: fenceline/1/{district}/{site}/{device}/{kind}."""

PREFIX = "fenceline/1/"
