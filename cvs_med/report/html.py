"""A report as a page: one file that opens offline and loads nothing. All it says can be read without its script."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cvs_med.report.document import Block, Document

_HERE = Path(__file__).parent


def render(document: Document) -> str:
    """Write the page as HTML; names and texts of the run are escaped."""
    script = (_HERE / "gallery.js").read_text(encoding="utf-8")
    return _environment().get_template("page.html.j2").render(
        document=document, script=script, script_hash=_hash(script)
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data_uri"] = data_uri
    environment.filters["colour"] = _colour
    environment.filters["kind"] = _kind
    return environment


def _kind(block: Block) -> str:
    return type(block).__name__


def _hash(script: str) -> str:
    """Give the hash by which the page's policy allows its own script and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def data_uri(png: bytes) -> str:
    """Give a picture as the address of an image that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _colour(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
