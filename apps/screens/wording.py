"""Names as they are: Streamlit reads Markdown, by which a name could load a picture from another machine."""

import re


def plain(text: str) -> str:
    """Write a text from outside (a name of a class, a case, a reader) so that Markdown leaves it alone."""
    return re.sub(r"([\\`*_{}\[\]<>$:~#|])", r"\\\1", text)
