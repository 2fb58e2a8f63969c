"""Try an image: a photograph is handed in, all networks of the run answer, and nothing is kept unless asked."""

from typing import TYPE_CHECKING

import streamlit as st

from cvs_med.errors import CvsMedError
from cvs_med.review import upload
from cvs_med.review.upload import ENDINGS, LARGEST_MEGABYTES
from screens import session, viewer
from screens.plain import plain

if TYPE_CHECKING:  # it brings the network library, which reviewing does without
    from cvs_med.review.trial import Panel


@st.cache_resource(show_spinner="Reading the networks; the first time they also learn what a usual photograph is")
def _panel(run_digest: str) -> "Panel":
    from cvs_med.review import trial

    panel = trial.convene(session.run())
    session.forget_flags()  # what the networks say of the run's own photographs is known now
    return panel


def show() -> None:
    """Show the page."""
    st.markdown("#### Try an image")
    lacking = upload.missing(session.run().path)
    if lacking:
        st.info(lacking)
        return
    file = st.file_uploader(
        f"A photograph such as those of {plain(session.run().card.title)}",
        help=f"{', '.join(ENDINGS)}; at most {LARGEST_MEGABYTES} megabytes.",
        key="upload",
    )
    if file is None:
        session.forget_trial()
        st.markdown("It is answered on this machine and forgotten when you leave the page, unless you keep it.")
        return
    try:
        _answer(file.name, file.getvalue())
    except CvsMedError as error:
        session.forget_trial()
        st.warning(plain(str(error)), icon=":material/photo:")


def _answer(name: str, content: bytes) -> None:
    handed_in = upload.accept(name, content)
    tried = st.session_state.get("trial")
    if tried is None or tried.upload.sha256 != handed_in.sha256:
        panel = _panel(session.run().digest)
        with st.spinner("The networks are looking at it"):
            tried = st.session_state["trial"] = panel.look(handed_in)
    screen = tried.screen
    if tried.row.flags:
        st.warning(plain(screen.reasons[0]), icon=":material/photo:")
    else:
        st.markdown(f"**The networks say {plain(str(tried.row.derived))}** ({plain(screen.diagnosis)})")
    viewer.look(f"trial {handed_in.sha256}", screen.photograph, screen.layers)
    st.markdown("  \n".join(map(plain, screen.reasons[1:] if tried.row.flags else screen.reasons)))
    _offer_to_keep()


def _offer_to_keep() -> None:
    if st.button("Keep this photograph and its answer", help="Without its name, in the folder of the reviews."):
        from cvs_med.review import trial

        place = trial.keep(
            st.session_state["trial"], session.run().class_names, session.store().folder.parent / "tried"
        )
        st.success(f"Kept as {place.name}.")
