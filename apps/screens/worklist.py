"""The worklist: what to look at next, and what is done."""

import streamlit as st

from cvs_med.review import worklist
from cvs_med.review.worklist import Row
from screens import session, viewer


def show() -> None:
    """Show the worklist."""
    listed = session.rows()
    done = sum(row.done for row in listed)
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.progress(done / len(listed), text=f"**{done} of {len(listed)} cases answered** by you")
    if right.button("Next case", type="primary", shortcut="N", disabled=done == len(listed), width="stretch"):
        session.open_case(next(row.number for row in listed if not row.done))
        session.go("case")
    chosen = _filtered(listed)
    if not chosen:
        st.info("No case matches. Clear the search or the filters.")
        return
    st.markdown(f"{len(chosen)} cases. Flagged first, then least certain. Click a row to open the case.")
    _table(chosen)


def _filtered(listed: list[Row]) -> list[Row]:
    search, classes, state = st.columns([2, 2, 3])
    text = search.text_input("Search", placeholder="number or name", key="search")
    derived = classes.multiselect("Model says", session.run().class_names, key="derived")
    status = state.segmented_control(
        "Show", ["all", "to do", "done", "flagged"], default="all", required=True, key="status"
    )
    return worklist.matching(listed, text=text, derived=derived, status=status or "all")


def _spread(row: Row) -> str:
    return "" if row.spread is None else f"{row.spread[0]:.2f} to {row.spread[1]:.2f}"


def _pictures(chosen: list[Row]) -> list[str | None]:
    """Give the addresses of the small pictures: the browser asks for those of the rows on the screen alone."""
    made = session.thumbnails(session.run().digest)
    named = [(made.get(row.case_id), f"thumbnail {row.number}") for row in chosen]
    return [viewer.served(jpeg, "image/jpeg", name) if jpeg else None for jpeg, name in named]


def _table(chosen: list[Row]) -> None:
    table = {
        "Photograph": _pictures(chosen),
        "Case": [row.title for row in chosen],
        "You": ["" if not row.done else row.status for row in chosen],
        "Model says": [row.derived for row in chosen],
        "Probability": [row.probability for row in chosen],
        "Spread": [_spread(row) for row in chosen],
        "Next": [row.runner_up for row in chosen],
        "Lead": [row.lead for row in chosen],
        "Flags": ["; ".join(row.flags) for row in chosen],
        "Reference": ["hidden" if row.reference is None else row.reference for row in chosen],
        "Others": [row.others for row in chosen],
        "Masks": [row.masks for row in chosen],
    }
    config = {
        "Photograph": st.column_config.ImageColumn(width=90),
        "Probability": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1, width=110),
        "Spread": st.column_config.TextColumn(
            help="Least and most probability over the networks of this run's repeats; a run without repeats has one "
            "network a case.",
            width=90,
        ),
        "You": st.column_config.TextColumn(help="Your own answer.", width=120),
        "Flags": st.column_config.TextColumn(help="What is unusual. Such cases come first.", width=150),
        "Lead": st.column_config.NumberColumn(
            format="%.2f", help="Probability by which the model prefers its class to the next one.", width=60
        ),
        "Others": st.column_config.NumberColumn(help="Other readers who have answered.", width=60),
        "Masks": st.column_config.NumberColumn(help="Corrected versions of the mask.", width=60),
    }
    if not session.run().repeats:
        del table["Spread"]
    selection = st.dataframe(
        table,
        column_config=config,
        hide_index=True,
        row_height=64,
        height=min(64 * len(chosen) + 40, 640),
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key="table",
    )
    clicked = [*selection.selection.rows, *(place for place, _ in selection.selection.cells)]
    if clicked:
        session.open_case(chosen[clicked[0]].number)
        session.go("case")
