"""How well the origin of a message is proven."""

from typing import Literal

Proof = Literal["mac", "certificate", "password", "none"]
"""How well it is proven who said something, the best first: the MAC of a board's own key; a certificate of the city's;
a password or code that goes over the line with each message; nothing but what the message says of itself."""
PROOFS: tuple[Proof, ...] = ("mac", "certificate", "password", "none")


def weakest(one: Proof, other: Proof) -> Proof:
    """Return the weaker of two proofs."""
    return max(one, other, key=PROOFS.index)
