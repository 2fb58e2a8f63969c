"""The photograph with its layers, as a component of our own on Streamlit's components v2.

The canvas packages that exist for Streamlit build on its old components and on parts of it that are gone; this needs
a screenful of JavaScript and no package. Layers, opacity and zoom change in the browser, without asking the server.
"""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime

from cvs_med.review import layers
from cvs_med.review.layers import Layer
from cvs_med.review.pictures import Photograph

_HERE = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "cvs_med_viewer", css=(_HERE / "viewer.css").read_text(), js=(_HERE / "viewer.js").read_text()
)


def look(name: str, photograph: Photograph, shown: Sequence[Layer]) -> None:
    """Show a case, photograph and layers, side by side or blended.

    Args:
        name: of what is shown; another name is another picture.
        photograph: the photograph.
        shown: its layers.
    """
    drawn = [asdict(layer) | {"png": served(layer.png, "image/png", layer.key)} for layer in shown]
    data = _frame(name, photograph) | {"mode": "look", "layers": drawn}
    _MOUNT(key="look", data=data, height="content")


def load(photograph: Photograph, shown: Sequence[Layer]) -> None:
    """Have the browser load and decode the pictures of the case that will probably be shown next; nothing is shown."""
    data = {
        "mode": "ahead",
        "source": served(photograph.content, photograph.mime, "ahead"),
        "layers": [served(each.png, "image/png", f"ahead {each.key}") for each in shown],
    }
    _MOUNT(key="ahead", data=data, height="content")


def draw(name: str, photograph: Photograph, mask: bytes, forget: Sequence[str]) -> list[dict[str, Any]]:
    """Show a mask to be corrected.

    Args:
        name: of what is drawn on; another name is another drawing.
        photograph: below it.
        mask: PNG of the photograph's size, see `layers.of_mask`.
        forget: names of drawings that are stored; the browser keeps the others over a reload.

    Returns:
        The strokes drawn so far.
    """
    data = _frame(name, photograph) | {
        "mode": "draw",
        "mask": served(mask, "image/png", "mask"),
        "colour": "rgb({}, {}, {})".format(*layers.DRAWN),
        "forget": list(forget),
    }
    result = _MOUNT(key="draw", data=data, on_drawn_change=lambda: None, height="content")
    drawn = result.get("drawn") or {}
    return list(drawn.get("strokes", [])) if drawn.get("id") == name else []


def _frame(name: str, photograph: Photograph) -> dict[str, Any]:
    """Give the photograph, its size, and the part of it that is to fill the screen at first."""
    place = photograph.place
    return {
        "id": name,
        "source": served(photograph.content, photograph.mime, "photograph"),
        "width": place.width,
        "height": place.height,
        "focus": {"left": place.left, "top": place.top, "width": place.crop_width, "height": place.crop_height},
    }


def served(content: bytes, mime: str, where: str) -> str:
    """Give the address of a picture: on Streamlit's own server, from where a browser loads it once and in parallel.

    Streamlit's media store has no public name of its own; without it (in a test) the address holds the picture.
    """
    if runtime.exists():
        return runtime.get_instance().media_file_mgr.add(content, mime, f"cvs-med {where}")
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
