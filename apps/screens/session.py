"""What all pages share: the run, the store, the reader, and which case is open."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import streamlit as st

from cvs_med.errors import ReviewError
from cvs_med.review import access, launch, worklist
from cvs_med.review.flags import Flags
from cvs_med.review.flags import of_run as measure_flags
from cvs_med.review.records import check_reader
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.store import Store, open_store
from cvs_med.review.thumbnails import of_run as pictures_of_run
from cvs_med.review.worklist import Row
from screens.plain import plain


@st.cache_resource(show_spinner="Opening the run")
def opened(settings: launch.Settings) -> tuple[FinishedRun, Store]:
    """Open run and store once for all readers."""
    return open_run(settings.run, settings.data_dir), open_store(settings.run / "reviews", settings.store)


def run() -> FinishedRun:
    """Give the run that is reviewed."""
    return opened(launch.settings())[0]


@st.cache_resource(show_spinner="Measuring the photographs")
def flags(run_digest: str) -> Flags:
    """Give what stands out in the cases of the run."""
    return measure_flags(run())


@st.cache_resource(show_spinner="Making small pictures")
def thumbnails(run_digest: str) -> Mapping[str, bytes]:
    """Give a small picture of each case."""
    return pictures_of_run(run())


def forget_flags() -> None:
    """Have the flags read again."""
    flags.clear()


def forget_trial() -> None:
    """Forget a photograph that was handed in."""
    st.session_state.pop("trial", None)


def store() -> Store:
    """Give the store that is written to."""
    return opened(launch.settings())[1]


def remember_pages(pages: Mapping[str, Any]) -> None:
    """Keep the pages, so that one can lead to another."""
    st.session_state["pages"] = pages


def go(page: str) -> None:
    """Turn to another page and keep reader and case in its address."""
    st.switch_page(st.session_state["pages"][page], query_params=_address())


def sign_in() -> bool:
    """Ask for the reader's name once; the address keeps it when the page is loaded again.

    With a login the name is what the login says, and what the address says is not believed.
    """
    if launch.settings().login and not _logged_in():
        return False
    _recall()
    _keep_address()
    if "reader" in st.session_state:
        _sidebar()
        return True
    st.title("Who is reading?")
    st.write(
        f"You are about to review **{len(run().ids)} cases** of {plain(run().card.title)}. Your answers are stored "
        "under the name you give, at once and for good."
    )
    with st.form("sign in", border=False):
        name = st.text_input("Your name or initials", max_chars=80)
        if st.form_submit_button("Start", type="primary"):
            try:
                st.session_state["reader"] = check_reader(name)
            except ReviewError as error:
                st.error(plain(str(error)))
            else:
                st.rerun()
    st.markdown("For research. Not a medical device.")
    return False


def user() -> Mapping[str, Any]:
    """Give what the login says of the reader; `is_logged_in` is false before."""
    return cast(Mapping[str, Any], st.user)


def _logged_in() -> bool:
    told = user()
    if told.get("is_logged_in"):
        st.session_state["reader"] = access.name_of(told)
        return True
    st.session_state.pop("reader", None)
    st.title("Who is reading?")
    st.button("Log in", type="primary", on_click=st.login)
    st.markdown("For research. Not a medical device.")
    return False


def admin() -> bool:
    """Say whether the reader sees all readers and may take files away."""
    settings = launch.settings()
    return access.role(reader(), settings.admins, login=settings.login) == "admin"


def _recall() -> None:
    """Take reader and case from the address, where they are after a reload."""
    if "reader" not in st.session_state and "reader" in st.query_params:
        try:
            st.session_state["reader"] = check_reader(st.query_params["reader"])
        except ReviewError as error:
            st.error(plain(str(error)))
    asked = st.query_params.get("case", "")
    if "number" not in st.session_state and asked.isascii() and asked.isdigit() and len(asked) < 9:
        open_case(int(asked))


def _keep_address() -> None:
    for name, value in _address().items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value


def _address() -> dict[str, str]:
    name = None if launch.settings().login else st.session_state.get("reader")
    kept = {"reader": name, "case": st.session_state.get("number")}
    return {name: str(value) for name, value in kept.items() if value is not None}


def _sidebar() -> None:
    with st.sidebar:
        st.markdown("**Reader**")
        st.text(reader())
        st.toggle(
            "Blinded",
            key="blinded",
            value=True,
            help="Hide the reference and the file's name, which may tell it, until you have answered a case.",
        )
        if not admin():
            st.markdown("You see your own reviews; an admin sees those of all.")
        if launch.settings().login:
            st.button("Log out", on_click=st.logout)
        elif st.button("Change reader"):
            for name in ("reader", "number", "token"):
                st.session_state.pop(name, None)
            st.query_params.clear()
            st.rerun()
        st.markdown(f"Run: {plain(run().name)}. For research, not a medical device.")


def reader() -> str:
    """Name the reader."""
    return cast(str, st.session_state["reader"])


def blinded() -> bool:
    """Say whether reference and names are hidden until the reader has answered."""
    return bool(st.session_state.get("blinded", True))


def rows() -> list[Row]:
    """List all cases for this reader, in the order of `worklist.rows`."""
    kept, digest = store(), run().digest
    return worklist.rows(
        run(), kept.answers(digest), kept.masks(digest), reader(), blinded=blinded(), flags=flags(digest)
    )


def open_case(number: int | None) -> None:
    """Put a case on the screen; from now on its time is taken."""
    if number is None or not 1 <= number <= len(run().ids):
        return
    st.session_state["number"] = number
    st.session_state["token"] = uuid.uuid4().hex
    st.session_state["shown_at"] = now()


def current(listed: list[Row]) -> Row:
    """Give the case that is open; the first to do if none is."""
    if "number" not in st.session_state:
        first = next((row for row in listed if not row.done), listed[0])
        open_case(first.number)
        _keep_address()
    return next(row for row in listed if row.number == st.session_state["number"])


def now() -> str:
    """Give the time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
