"""Protocols that some commands have no use for: what only a cross-validation does."""

from collections.abc import Iterable

from cvs_med.errors import ProtocolError
from cvs_med.protocol import Protocol


def require_own_images(protocols: Iterable[Protocol], what: str) -> None:
    """Refuse protocols that learn from other folders too, which only a cross-validation and its final model do.

    Raises:
        ProtocolError: names what cannot be done with them.
    """
    if any(protocol.also_train for protocol in protocols):
        raise ProtocolError(f"Expected protocols without also_train for {what}, found one with it. Leave it out.")


def require_all_masks(protocols: Iterable[Protocol], what: str) -> None:
    """Refuse protocols that learn from a few masks and make the rest, which only a plain cross-validation does.

    Raises:
        ProtocolError: names what cannot be done with them.
    """
    if any(protocol.masks.per_class for protocol in protocols):
        raise ProtocolError(
            f"Expected protocols without masks.per_class for {what}, found one with it. Leave it out, or ask for "
            "`cvs-med cv --masked-per-class`, which draws masks and makes the others inside each training part."
        )
