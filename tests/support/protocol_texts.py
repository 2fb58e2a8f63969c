"""Protocols as text, written into a file and read again."""

from pathlib import Path

import pytest

from cvs_med.errors import ProtocolError
from cvs_med.protocol import Protocol, load

HEAD = "dataset: hrf\n"


class Writer:
    """Writes a protocol file, loads it, and gives what was said about it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, text: str, *settings: str) -> Protocol:
        self.path.write_text(text, encoding="utf-8")
        return load(str(self.path), settings)

    def refused(self, text: str, *settings: str) -> str:
        with pytest.raises(ProtocolError) as caught:
            self.load(text, *settings)
        return str(caught.value)
