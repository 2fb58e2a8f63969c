"""Every page of the app, without a browser: what it shows, and what it stores."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cvs_med.review import corrections
from cvs_med.review.run import FinishedRun
from cvs_med.review.store import Store

Start = Callable[..., AppTest]


def texts(app: AppTest) -> str:
    """Everything that a page says, as one text; a sign that keeps Markdown away from a name is not seen."""
    said = [element.value for kind in (app.markdown, app.caption, app.error, app.warning, app.info) for element in kind]
    return unescaped("\n".join([*map(str, said), *(button.label for button in app.button)]))


def unescaped(text: str) -> str:
    """Read Markdown as a browser does where nothing is set off."""
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", text)


def press(app: AppTest, label: str) -> AppTest:
    """Press the button whose label begins so."""
    next(button for button in app.button if unescaped(button.label).startswith(label)).click()
    return app.run()


def fine(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error
    return app


def number_shown(app: AppTest) -> int:
    return int(address(app, "case"))


def address(app: AppTest, name: str) -> str:
    """Give a part of the page's address; AppTest has it as a list when the test set it, as a text when the page did."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def test_a_reader_signs_in_once_and_stays_signed_in(start: Start) -> None:
    app = start(reader=None)
    assert "9 cases" in texts(app)
    app.text_input[0].input("   ")
    assert "Expected a reader's name" in texts(press(app, "Start"))
    app.text_input[0].input("Ada")
    press(app, "Start")
    assert len(fine(app).dataframe[0].value) == 9
    assert address(app, "reader") == "Ada"


def test_a_name_from_the_address_is_checked_too(start: Start) -> None:
    app = start(reader="a" * 81)
    assert "Expected a reader's name" in texts(app)
    assert not app.dataframe


def test_the_worklist_lists_all_cases_and_hides_what_tells_the_class(start: Start, run: FinishedRun) -> None:
    app = fine(start())
    table = app.dataframe[0].value
    assert list(table["Lead"]) == sorted(table["Lead"])
    assert len(table) == len(run.ids)
    assert set(table["Reference"]) == {"hidden"}
    assert not any(case_id in " ".join(table["Case"]) for case_id in run.ids)
    app.toggle[0].set_value(False).run()
    shown = fine(app).dataframe[0].value
    assert set(shown["Reference"]) <= set(run.class_names)


def test_filters_narrow_the_worklist(start: Start) -> None:
    app = start()
    app.text_input[0].input("4").run()
    assert list(app.dataframe[0].value["Case"]) == ["Case 4"]
    app.text_input[0].input("no such case").run()
    assert not app.dataframe
    assert "No case matches" in texts(app)


def test_next_opens_the_least_certain_case(start: Start) -> None:
    app = start()
    first = app.dataframe[0].value["Case"].iloc[0]
    press(app, "Next case")
    assert first in texts(fine(app))
    assert first == f"Case {number_shown(app)}"


def test_the_case_says_diagnosis_and_reasons(start: Start, run: FinishedRun) -> None:
    said = texts(fine(start("case", case=1)))
    case_id = run.ids[0]
    assert f"The model says {run.derived(case_id)}" in said
    assert all(name in said for name in run.class_names)
    assert "trained without this case" in said
    assert "lead over" in said
    assert case_id not in said
    assert "reference" not in said


def test_answers_are_stored_as_given_and_lead_to_the_next_case(start: Start, run: FinishedRun, store: Store) -> None:
    app = start("case", case=3)
    derived = run.derived(run.ids[2])
    nasty = "<script>alert(1)</script> '; DROP TABLE answers; --"
    next(field for field in app.text_input if field.label == "Comment").input(nasty)
    next(group for group in app.button_group if group.label == "Photograph").set_value("usable")
    press(app, "Agree")
    assert number_shown(fine(app)) != 3
    (stored,) = store.answers(run.digest)
    assert (stored.reader, stored.case_id, stored.verdict, stored.diagnosis) == ("Ada", run.ids[2], "agree", derived)
    assert (stored.gradability, stored.comment) == ("usable", nasty)
    assert stored.shown_at <= stored.answered_at
    assert next(field for field in app.text_input if field.label == "Comment").value == ""

    other = next(name for name in run.class_names if name != run.derived(run.ids[number_shown(app) - 1]))
    press(app, other.capitalize())
    press(fine(app), "Cannot tell")
    assert [answer.verdict for answer in store.answers(run.digest)] == ["agree", "other", "cannot tell"]
    assert store.answers(run.digest)[1].diagnosis == other
    assert store.verify() == []


def test_an_answered_case_shows_reference_and_answer_and_can_be_answered_again(
    start: Start, run: FinishedRun, store: Store
) -> None:
    press(start("case", case=2), "Cannot tell")
    app = start("case", case=2)
    assert f"reference: {run.reference(run.ids[1])}" in texts(app)
    assert run.ids[1] in texts(app)
    assert "Your answer to this one: cannot tell" in texts(app)
    press(app, "Agree")
    assert [answer.verdict for answer in store.answers(run.digest)] == ["cannot tell", "agree"]


def test_all_cases_can_be_answered_one_after_the_other(start: Start, run: FinishedRun, store: Store) -> None:
    app = press(start(), "Next case")
    for _ in run.ids:
        fine(press(app, "Agree"))
    assert sorted(answer.case_id for answer in store.answers(run.digest)) == sorted(run.ids)
    assert "You have answered every case" in texts(app)
    assert next(button for button in app.button if button.label == "Next").disabled


def test_a_store_that_fails_keeps_the_case_open_and_says_so(
    start: Start, run: FinishedRun, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cvs_med.errors import ReviewError

    app = start("case", case=5)

    def refuse(*_: object) -> None:
        raise ReviewError("The disk is full. Nothing was stored.")

    with monkeypatch.context() as patch:
        patch.setattr("cvs_med.review.store.Store.add_answer", refuse)
        press(app, "Agree")
    assert "Nothing was stored" in texts(app)
    assert number_shown(app) == 5
    press(app, "Agree")
    assert len(store.answers(run.digest)) == 1


@pytest.mark.parametrize("case", ["0", "10", "99999999999", "../../etc/passwd", "-1", "\N{SUPERSCRIPT TWO}"])
def test_a_case_that_is_not_there_is_not_opened(start: Start, case: str) -> None:
    app = fine(start("case", case=case))
    assert 1 <= number_shown(app) <= 9


def test_a_damaged_case_is_said_without_a_traceback(start: Start, run_folder: Path, run: FinishedRun) -> None:
    for file in run_folder.glob("fold-*/maps/*.npz"):
        if file.stem == run.ids[0]:
            file.write_bytes(b"cut off")
    table = fine(start()).dataframe[0].value
    (damaged,) = np.flatnonzero(table["Case"] == "Case 1")
    assert "damaged" in table["Flags"].iloc[damaged]
    assert list(table["Photograph"].isna().to_numpy().nonzero()[0]) == [damaged]
    app = start("case", case=1)
    assert run.ids[0] in texts(app)
    assert not app.exception


def test_without_photographs_a_case_can_be_answered_but_not_drawn_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fine(start("case", case=1, data_dir=None))
    assert "--data-dir" in texts(app)
    assert next(button for button in app.button if button.label == "Mask").disabled
    assert "--data-dir" in texts(fine(start("correction", case=1, data_dir=None)))


def test_the_correction_page_offers_what_to_start_from(start: Start, run: FinishedRun, store: Store) -> None:
    app = fine(start("correction", case=1))
    assert app.selectbox[0].options == ["the model's mask"]
    assert "Nothing drawn yet" in texts(app)
    assert next(button for button in app.button if button.label == "Save").disabled
    mask = corrections.base(run, store, run.ids[0], "reference")
    corrections.save(
        run, store, mask, case_id=run.ids[0], reader="Bob", token="t", start="predicted", now="2026-01-01T10:00"
    )
    again = fine(start("correction", case=1))
    assert again.selectbox[0].options == ["version 1 by Bob", "the model's mask"]
    assert "Version 1 by Bob" in texts(again)
    assert "Vessels cover" in texts(again)


def test_strokes_are_counted_at_once_and_saved_as_a_version(
    start: Start, run: FinishedRun, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # AppTest has no browser to draw in: the component's answer is put in its place.
    app = start("case", case=1)
    stroke = {"tool": "brush", "erase": True, "radius": 5, "points": [(30, 30), (40, 40)]}
    import screens.viewer

    monkeypatch.setattr(screens.viewer, "draw", lambda *_: [stroke])
    press(app, "Mask")
    assert "1 stroke, not saved yet" in texts(fine(app))
    before = corrections.base(run, store, run.ids[0], "predicted")
    press(app, "Save")
    (version,) = store.masks(run.digest)
    assert (version.reader, version.case_id, version.started_from) == ("Ada", run.ids[0], "predicted")
    now = store.read_mask(version)
    assert before[33:37, 33:37].any()
    assert not now[33:37, 33:37].any()
    np.testing.assert_array_equal(now[:20], before[:20])


def test_the_summary_hides_the_reference_until_the_blinded_reader_is_done(start: Start, run: FinishedRun) -> None:
    assert "Nobody has answered yet" in texts(fine(start("summary")))
    press(start("case", case=1), "Agree")
    app = fine(start("summary"))
    assert set(app.dataframe[1].value["Compared with"]) == {"the model"}
    assert not app.get("download_button")
    app.toggle[0].set_value(False).run()
    assert set(fine(app).dataframe[1].value["Compared with"]) == {"the model", "the reference"}
    assert len(app.get("download_button")) == 3


def test_pages_started_by_hand_say_how_to_start_them(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from cvs_med.review import launch

    app = start()
    monkeypatch.delenv(launch.RUN)
    assert "cvs-med app --run" in texts(app.run())


def hand_in(app: AppTest, name: str, content: bytes) -> AppTest:
    """Hand a file in, as a browser does."""
    app.file_uploader[0].set_value((name, content, "image/jpeg"))
    return app.run()


@pytest.fixture
def eye(phantom_folder: Path) -> bytes:
    """A photograph such as those of the run."""
    return min((phantom_folder / "images").iterdir()).read_bytes()


# Fitted from the run's own photographs, and kept beside them.
OF_THE_RUN = {"gates.safetensors", "unlike.json"}


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.name not in OF_THE_RUN}


def test_all_networks_answer_for_an_image_and_nothing_of_it_is_kept(
    start: Start, turn: Callable[[AppTest, str], AppTest], run_folder: Path, eye: bytes
) -> None:
    app = fine(start("try"))
    assert "forgotten when you leave" in texts(app)
    before = files_of(run_folder)
    said = texts(fine(hand_in(app, "<b>Smith</b>.jpg", eye)))
    assert "The networks say" in said
    assert "3 networks agree" in said
    assert "Smith" not in said
    assert files_of(run_folder) == before
    assert "trial" in app.session_state
    assert "trial" not in fine(turn(app, "summary")).session_state


def test_an_image_is_kept_if_the_reader_says_so(start: Start, run_folder: Path, eye: bytes) -> None:
    app = hand_in(start("try"), "Smith.jpg", eye)
    before = files_of(run_folder)
    fine(press(app, "Keep this photograph"))
    kept = {path.name: path.read_bytes() for path in files_of(run_folder) - before}
    assert {"photograph.jpg", "answer.json", "overlay.png"} <= kept.keys()
    assert kept["photograph.jpg"] == eye
    assert not any(b"Smith" in content for content in kept.values())


def picture(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def test_what_is_no_photograph_of_the_kind_gets_no_diagnosis(start: Start) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    app = hand_in(start("try"), "noise.png", picture(noise))
    said = texts(app)
    assert "No diagnosis is given" in said
    assert "The networks say" not in said
    assert not app.exception


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("page.png", b"<script>alert(1)</script>", "cannot be read"),
        ("cut.png", picture(np.zeros((400, 400, 3), np.uint8))[:300], "cannot be read"),
        ("empty.png", b"", "at most 50 megabytes"),
        ("large.png", picture(np.zeros((10_000, 10_000), np.bool_)), "million pixels"),
        ("huge.png", picture(np.zeros((20_000, 20_000), np.bool_)), "million pixels"),
        ("heavy.png", bytes(51 * 2**20), "at most 50 megabytes"),
        ("<img src=x onerror=alert(1)>.png", b"nothing", "cannot be read"),
        ("../../etc/passwd", b"root", "found another file"),
        ("slice.dcm", b"nothing", "cannot be read"),
        ("volume.nii.gz", b"nothing", "cannot be read"),
    ],
)  # fmt: skip
def test_a_hostile_file_gets_a_message(start: Start, run_folder: Path, name: str, content: bytes, said: str) -> None:
    app = start("try")
    before = files_of(run_folder)
    hand_in(app, name, content)
    assert said in texts(app)
    assert "onerror" not in texts(app)
    assert not app.exception
    assert files_of(run_folder) == before


def test_without_networks_the_page_says_what_is_missing(start: Start, run_folder: Path) -> None:
    for file in run_folder.glob("fold-*/model.safetensors"):
        file.unlink()
    app = fine(start("try"))
    assert "needs the networks of this run" in texts(app)
    assert not app.file_uploader


def test_without_torch_the_page_says_so(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvs_med.review.upload.find_spec", lambda _: None)
    assert "torch, which is not installed" in texts(fine(start("try")))


def with_login(monkeypatch: pytest.MonkeyPatch, user: dict[str, object], admins: str = "") -> None:
    """Have the pages ask Streamlit's login, which says this of the user."""
    import screens.session
    from cvs_med.review import launch

    monkeypatch.setenv(launch.LOGIN, "1")
    monkeypatch.setenv(launch.ADMINS, admins)
    monkeypatch.setattr(screens.session, "user", lambda: user)


def test_with_a_login_a_name_in_the_address_is_not_believed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start()
    with_login(monkeypatch, {"is_logged_in": False})
    app.query_params["reader"] = "Eve"
    app.run()
    assert "Log in" in texts(app)
    assert not app.dataframe
    with_login(monkeypatch, {"is_logged_in": True, "email": "ada@eye.example", "email_verified": True})
    app.query_params["reader"] = "Eve"
    app.run()
    assert app.session_state["reader"] == "ada@eye.example"
    with_login(monkeypatch, {"is_logged_in": True, "email": "eve@eye.example", "email_verified": False})
    assert "verified" in texts(app.run())


def test_a_reader_sees_their_own_summary_and_an_admin_that_of_all(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(start("case", case=1, reader="Bob"), "Agree")
    press(start("case", case=1, reader="Ada"), "Agree")
    monkeypatch.setenv("CVS_MED_APP_ADMINS", "Ada")
    everyone = fine(start("summary", reader="Ada"))
    assert set(everyone.dataframe[0].value["Reader"]) == {"Ada", "Bob"}
    own = fine(start("summary", reader="Bob"))
    assert set(own.dataframe[0].value["Reader"]) == {"Bob"}
    own.toggle[0].set_value(False).run()
    assert not own.get("download_button")


def test_an_answer_that_comes_before_the_rest_of_the_page_is_stored(
    start: Start, run: FinishedRun, store: Store
) -> None:
    app = start("case", case=1)
    app.session_state["token"] = "fresh"  # the page of a new case was cut off by the key before quality and comment
    fine(press(app, "Agree"))
    (stored,) = store.answers(run.digest)
    assert (stored.token, stored.gradability, stored.comment) == ("fresh", "good", "")


PICTURE = "![x](http://evil.example/x.png) <img src=x onerror=alert(1)> :red[x] $x$"


def test_markdown_in_the_names_of_a_run_is_shown_as_it_is(start: Start, run_folder: Path) -> None:
    card = json.loads((run_folder / "dataset.json").read_text())
    card |= {"class_names": [PICTURE, *card["class_names"][1:]], "title": PICTURE, "foreground": PICTURE}
    (run_folder / "dataset.json").write_text(json.dumps(card))
    table = (run_folder / "predictions.csv").read_text()
    lines = [line.replace(",healthy", f",{PICTURE}") for line in table.splitlines()]
    column = PICTURE.replace(" ", "_")
    lines[0] = lines[0].replace("p_healthy", f"p_{column}")
    (run_folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    for page in (None, "case", "correction", "try", "summary"):
        app = fine(start(page, case=1, reader="Eve ![x](http://evil.example/y.png)"))
        if page == "case":
            assert PICTURE in texts(app)
        raw = "\n".join(str(element.value) for kind in (app.markdown, app.info, app.warning) for element in kind)
        raw = re.sub(r"\\.", "", raw)
        assert "![" not in raw
        assert "<img" not in raw
        press(app, "Agree") if page == "case" else None
    assert "![" not in "".join(toast.value for toast in app.toast)
