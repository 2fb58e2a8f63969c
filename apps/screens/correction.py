"""Mask correction: brush and polygon on the photograph's own pixels; every saved mask is a new version."""

import uuid

import numpy as np
import streamlit as st

from cvs_med.images import Mask
from cvs_med.report import case_maps
from cvs_med.review import corrections, findings, layers, pictures, strokes
from cvs_med.review.launch import settings
from cvs_med.review.pictures import Photograph
from cvs_med.review.records import MaskVersion
from cvs_med.review.worklist import Row
from screens import session, viewer
from screens.plain import plain


@st.cache_resource(show_spinner="Reading the mask", max_entries=4)
def _base(run_digest: str, case_id: str, start: str) -> tuple[Mask, bytes]:
    run, store = session.opened(settings())
    mask = corrections.base(run, store, case_id, start)
    return mask, layers.of_mask(mask)


@st.cache_resource(show_spinner="Reading the photograph", max_entries=4)
def _photograph(run_digest: str, case_id: str) -> tuple[Photograph, Mask]:
    run = session.opened(settings())[0]
    case = case_maps.load(run.path, run.predictions[case_id])
    photograph = pictures.photograph(run, case_id, case)
    if photograph.native:
        return photograph, pictures.field_of_view(run.cases[case_id])
    return photograph, np.ones((photograph.place.height, photograph.place.width), dtype=np.bool_)


def show() -> None:
    """Show the mask of the open case to be corrected."""
    row = session.current(session.rows())
    run = session.run()
    title, back = st.columns([5, 1.3], vertical_alignment="center")
    title.markdown(f"#### Mask of {plain(row.title)}")
    if back.button("Back to the case", shortcut="B", width="stretch"):
        session.go("case")
    if row.case_id not in run.cases:
        st.warning("Masks are drawn on the photographs themselves: start the app with --data-dir.")
        return
    photograph, seen = _photograph(run.digest, row.case_id)
    if not photograph.native:
        st.warning(plain(photograph.problem or ""))
        return
    _correct(row, photograph, seen)


def _correct(row: Row, photograph: Photograph, seen: Mask) -> None:
    run = session.run()
    # A reader sees their own masks, an admin those of all.
    stored = session.store().masks(run.digest)
    versions = [each for each in stored if session.admin() or each.reader == session.reader()]
    known = corrections.starts(run, row.case_id, versions)
    if row.reference is None:  # the experts' mask belongs to the reference, and is hidden with it
        known.pop(corrections.REFERENCE, None)
    picture, words = st.columns([3, 1], gap="medium")
    with words:
        start = st.selectbox("Start from", list(known), format_func=lambda name: known[name], key=f"start {row.number}")
    mask, png = _base(run.digest, row.case_id, start)
    name = f"{run.digest} {row.number} {start}"
    with picture:
        drawn = strokes.parse(viewer.draw(name, photograph, png, st.session_state.get("saved", [])))
    with words:
        _save(row, mask, strokes.apply(mask, drawn), seen, start, len(drawn), name)
        _history(row, versions)


def _save(row: Row, before: Mask, now: Mask, seen: Mask, start: str, count: int, drawing: str) -> None:
    counts = (int((before & seen).sum()), int((now & seen).sum()), int(seen.sum()))
    st.markdown(plain(findings.covered(*counts, session.run().card.foreground)))
    st.markdown(f"{count} stroke{'s' * (count > 1)}, not saved yet" if count else "Nothing drawn yet")
    if st.button("Save", type="primary", shortcut="S", disabled=not count, width="stretch"):
        session_state = st.session_state
        corrections.save(
            session.run(), session.store(), now, case_id=row.case_id, reader=session.reader(), token=uuid.uuid4().hex,
            start=start, now=session.now(),
        )  # fmt: skip
        session_state["saved"] = [*session_state.get("saved", []), drawing][-20:]
        session_state.pop(f"start {row.number}", None)
        st.toast("Stored as a new version")
        st.rerun()


def _history(row: Row, versions: list[MaskVersion]) -> None:
    own = [version for version in versions if version.case_id == row.case_id]
    for number, version in reversed(list(enumerate(own, start=1))):
        st.markdown(f"Version {number} by {plain(version.reader)}, {version.drawn_at[:16].replace('T', ' ')} UTC")
