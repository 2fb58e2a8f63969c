"""One case: photograph and layers, the diagnosis in words, and the reader's answer."""

import streamlit as st

from cvs_med.errors import CvsMedError
from cvs_med.review import corrections, provenance, worklist
from cvs_med.review.launch import settings
from cvs_med.review.layers import Layer
from cvs_med.review.records import GRADABILITIES, Answer, Verdict
from cvs_med.review.screen import Desk, Screen
from cvs_med.review.worklist import Row
from screens import session, viewer
from screens.plain import plain

_ASK_AGAIN = 0.5
"""Seconds until it is asked again whether the next case is made."""


@st.cache_resource(show_spinner=False, max_entries=1)
def _desk(run_digest: str, likeness_known: bool) -> Desk:
    return Desk(session.opened(settings())[0], session.flags(run_digest))


def show() -> None:
    """Show the open case, and begin to make the next one."""
    listed = session.rows()
    row = session.current(listed)
    digest = session.run().digest
    desk = _desk(digest, session.flags(digest).unlike is not None)
    screen = desk.screen(row.case_id)
    rest = worklist.following(listed, row.number)
    after = next(iter(rest), None)
    _header(row, listed, worklist.before(listed, row.number), after)
    _answers(row, screen, after)
    st.session_state["image_digest"] = screen.image_digest
    if screen.photograph.problem:
        st.warning(plain(screen.photograph.problem), icon=":material/photo:")
    hidden = row.reference is None
    viewer.look(f"{digest} {row.number} {hidden}", screen.photograph, _layers(screen, hidden))
    st.markdown("  \n".join(map(plain, screen.reasons)))
    ahead = [session.run().ids[number - 1] for number in rest[:2]]
    desk.prepare(ahead)
    if ahead:
        # Asked for again until it is made; then the browser loads it while this case is looked at.
        waiting = None if desk.ready(ahead[0]) else _ASK_AGAIN
        st.fragment(_load, run_every=waiting)(desk, ahead[0])


def _header(row: Row, listed: list[Row], before: int | None, after: int | None) -> None:
    title, back, skip, mask = st.columns([5, 1, 1, 1], vertical_alignment="center")
    done = sum(other.done for other in listed)
    title.markdown(f"#### {plain(row.title)}")
    title.markdown(f"{done} of {len(listed)} answered{', blinded' if session.blinded() else ''}")
    back.button(
        "Back", shortcut="B", disabled=before is None, on_click=session.open_case, args=(before,), width="stretch"
    )
    skip.button(
        "Next", shortcut="N", disabled=after is None, on_click=session.open_case, args=(after,), width="stretch",
        help="The next case that you have not answered; this one stays as it is.",
    )  # fmt: skip
    if mask.button("Mask", shortcut="M", width="stretch", disabled=row.case_id not in session.run().cases):
        session.go("correction")


def _layers(screen: Screen, hidden: bool) -> list[Layer]:
    """Leave the experts' mask out while the reference is hidden: it belongs to it."""
    return [layer for layer in screen.layers if not (hidden and layer.key == "gold")]


def _load(desk: Desk, case_id: str) -> None:
    """Send the pictures of the next case, once they are made."""
    made = desk.ready(case_id)
    if made:
        viewer.load(made.photograph, _layers(made, session.blinded()))


def _answers(row: Row, screen: Screen, after: int | None) -> None:
    if "failed" in st.session_state:
        st.error(plain(st.session_state.pop("failed")))
    reference = "" if row.reference is None else f" :gray[· reference: {plain(row.reference)}]"
    st.markdown(f"**The model says {plain(row.derived)}** ({plain(screen.diagnosis)}){reference}")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _button(f"Agree: {row.derived}", "A", row, after, "agree", row.derived, primary=True)
        others = [name for name in session.run().class_names if name != row.derived]
        for number, name in enumerate(others, start=1):
            _button(name.capitalize(), str(number) if number < 10 else None, row, after, "other", name)
        _button("Cannot tell", "X", row, after, "cannot tell", None)
        _remarks()
    if row.done:
        said = "You have answered every case. " if after is None else ""
        st.info(f"{said}Your answer to this one: {plain(row.status)}. A new answer is added; the newest counts.")


def _remarks() -> None:
    """Ask for the photograph's quality and a comment; both begin anew with each case."""
    token = st.session_state["token"]
    st.segmented_control(
        "Photograph", GRADABILITIES, default=GRADABILITIES[0], required=True, key=f"gradability {token}",
    )  # fmt: skip
    st.text_input("Comment", max_chars=2000, key=f"comment {token}", placeholder="optional", width=240)


def _button(
    label: str, key: str | None, row: Row, after: int | None, verdict: Verdict, diagnosis: str | None, *,
    primary: bool = False,
) -> None:  # fmt: skip
    st.button(
        plain(label), shortcut=key, type="primary" if primary else "secondary", key=f"answer {verdict} {label}",
        on_click=_store, args=(row, after, verdict, diagnosis),
    )  # fmt: skip


def _store(row: Row, after: int | None, verdict: Verdict, diagnosis: str | None) -> None:
    """Store the answer, then turn to the next case; if it cannot be stored, stay and say so."""
    run, state = session.run(), st.session_state
    if state.get("number") != row.number:  # A key pressed again before the next case was drawn.
        return
    drawn = corrections.newest(session.store().masks(run.digest)).get(row.case_id)
    try:
        session.store().add_answer(
            Answer(
                token=state["token"],
                reader=session.reader(),
                run=run.name,
                run_digest=run.digest,
                case_id=row.case_id,
                derived=row.derived,
                verdict=verdict,
                diagnosis=diagnosis,
                # A fast reader answers before these two are on the page.
                gradability=state.get(f"gradability {state['token']}") or GRADABILITIES[0],
                comment=state.get(f"comment {state['token']}") or "",
                shown_at=state["shown_at"],
                answered_at=session.now(),
                mask_digest=drawn.content if drawn else None,
                image_digest=state.get("image_digest"),
                model_digest=provenance.of_network(run, row.case_id),
            )
        )
    except CvsMedError as error:
        state["failed"] = str(error)
        return
    st.toast(f"Case {row.number} stored: {plain(diagnosis or verdict)}")
    session.open_case(row.number if after is None else after)
