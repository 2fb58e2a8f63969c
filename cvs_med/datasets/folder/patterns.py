"""Regular expressions that a user's dataset.yaml brings, held against file names alone and for a moment only."""

import regex

from cvs_med.errors import DataError, fault

LONGEST = 200
"""Signs of an expression at most."""

_SECONDS = 0.5
"""For one name; an expression that doubles its work with every letter is stopped here."""


def check(text: str) -> str:
    """Give an expression back if it is one.

    Raises:
        ValueError: it is too long, or not to be understood.
    """
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} signs")
    try:
        regex.compile(text)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"expected a regular expression ({error})") from error
    return text


def find(text: str, name: str) -> str | None:
    """Look for an expression in a name.

    Returns:
        Its first group, or all of the match if it has no group; None where it is not found or empty.

    Raises:
        DataError: it takes too long.
    """
    try:
        match = regex.search(text, name, timeout=_SECONDS)
    except TimeoutError:
        raise _endless(text) from None
    return (match[1] if match.re.groups else match[0]) or None if match else None


def _endless(text: str) -> DataError:
    remedy = "Write it without repetitions inside repetitions, such as (a+)+."
    return fault("dataset.yaml", "a regular expression that is done in a moment", repr(text), remedy)
