"""The clinician's screen, started by `cvs-med app`. Views only: what they show is made in cvs_med.review."""

import streamlit as st

from cvs_med.errors import CvsMedError
from screens import case, correction, session, summary, trial, worklist
from screens.plain import plain

st.set_page_config(
    page_title="cvs-med review",
    layout="wide",
    initial_sidebar_state="collapsed",
)
# Streamlit leaves a tenth of the screen empty above a page.
st.html("<style>.stMainBlockContainer {padding: 4.4rem 2rem 1rem}</style>")

# Without icons: a page with one asks a server on the internet for its picture, and nothing here may leave the machine.
pages = {
    "worklist": st.Page(worklist.show, title="Worklist", url_path="worklist", default=True),
    "case": st.Page(case.show, title="Case", url_path="case"),
    "correction": st.Page(correction.show, title="Mask correction", url_path="correction"),
    "try": st.Page(trial.show, title="Try an image", url_path="try"),
    "summary": st.Page(summary.show, title="Summary", url_path="summary"),
}
session.remember_pages(pages)
try:
    page = st.navigation(list(pages.values()), position="top")
    if session.sign_in():
        if page is not pages["try"]:
            session.forget_trial()
        page.run()
except CvsMedError as error:
    st.error(plain(str(error)), icon=":material/error:")
