"""Texts of others on a page of ours."""

import re


def plain(text: str) -> str:
    """Keep a name from being taken for Markdown: a picture in it would ask a server on the internet for itself."""
    return re.sub(r"([\\`*_\[\]<>#~:$!|])", r"\\\1", text)
