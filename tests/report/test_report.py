import io
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from cvs_med import report
from cvs_med.errors import RunError
from cvs_med.evaluation import evaluate_run
from cvs_med.report import gallery, words
from cvs_med.report.differences import Difference
from cvs_med.statistics.metrics import proportion

IMAGE = {"image": np.zeros((4, 4, 3), np.uint8)}


class _Reader(HTMLParser):
    """Collects what a page holds, as a browser would see it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        if tag == "a":
            self.links.append(values["href"] or "")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["h2"] and data.strip():
            self.headings.append(data)
        self.text += data


class _Balance(HTMLParser):
    """Follows which elements are open."""

    VOID = frozenset({"meta", "img", "br"})
    """Elements without an end."""

    def check(self, text: str) -> None:
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"line {self.getpos()[0]}"


def _read(page: Path) -> _Reader:
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.text = " ".join(reader.text.split())
    return reader


def test_the_page_answers_in_order_and_in_words(map_run: Path) -> None:
    page = _read(report.write(map_run))
    beginning = ["What was asked", "Data and groups", "Protocol", "Results", "What the map shows"]
    assert page.headings == [
        *beginning, "How far its probabilities can be believed", "Cases", "Limits", "How to repeat it",
    ]  # fmt: skip
    assert "4 of 6 images (67 %, 95 % Wilson interval 30 to 90 %)" in page.text
    assert "not a medical device" in page.text
    assert "most frequent class" in page.text


def test_the_page_loads_nothing_and_every_image_has_a_text(map_run: Path) -> None:
    page = _read(report.write(map_run))
    assert not {"link", "iframe"} & set(page.tags)
    assert len(page.images) == 6 + 6
    for image in page.images:
        assert len(image["alt"] or "") > 10
        kind, _, data = (image["src"] or "").partition(";base64,")
        assert kind in {"data:image/png", "data:image/jpeg"}
        Image.open(io.BytesIO(b64decode(data))).verify()
    assert not re.search(r"https?://|@import|url\(|<script [^>]*src", (map_run / "report.html").read_text())


def test_names_and_texts_of_the_run_are_escaped(map_run: Path) -> None:
    page = _read(report.write(map_run))
    assert not {"b", "i", "u"} & set(page.tags)
    for text in ("<i>dia$betic$</i> [bold]", "Tiny & <b>bold</b>", "Some <u>notes</u>.", "# <script>", "c0 'é#"):
        assert text in page.text


def test_the_page_explains_the_heat_maps_that_there_are(map_run: Path) -> None:
    with_margin = _read(report.write(map_run)).text
    assert "Why the derived class rather than the runner-up" in with_margin
    assert "Runner-up: healthy." in with_margin
    for path in map_run.glob("fold-*/maps/*.npz"):
        with np.load(path) as stored:
            kept = {name: stored[name] for name in stored.files if name not in {"margin", "margin_sum", "rival"}}
        np.savez_compressed(path, **kept)
    without = _read(report.write(map_run)).text
    assert "Evidence for the derived class" in without
    assert "runner-up" not in without.lower()


def test_figures_and_overlays_show_something(map_run: Path) -> None:
    report.write(map_run)
    names = {path.name for path in (map_run / "figures").iterdir()}
    wanted = {"accuracy", "confusion", "learning", "dice", "reliability", "risk_coverage"}
    assert names == {f"{name}.png" for name in wanted}
    for path in [*(map_run / "figures").iterdir(), *(map_run / "overlays").iterdir()]:
        with Image.open(path) as image:
            colours = image.convert("RGB").getcolors(1 << 20)
        assert colours is not None
        assert len(colours) > 50


@pytest.mark.parametrize("kind", ["map_run", "mapless_run"])
def test_every_element_of_the_page_is_closed_in_order(request: pytest.FixtureRequest, kind: str) -> None:
    _Balance().check(report.write(request.getfixturevalue(kind)).read_text(encoding="utf-8"))


def test_every_card_leads_to_its_overlay_and_errors_come_first(map_run: Path) -> None:
    page = _read(report.write(map_run))
    targets = [map_run / unquote(link) for link in page.links if link.startswith("overlays/")]
    assert sorted(targets) == sorted((map_run / "overlays").iterdir())
    assert [path.name[:2] for path in targets] == ["c5", "c2", "c4", "c0", "c3", "c1"]
    assert page.text.rindex("✗ wrong") < page.text.index("✓ right")


def test_a_run_without_maps_has_a_page_too(mapless_run: Path) -> None:
    page = _read(report.write(mapless_run))
    assert "answers without a map" in page.text
    assert not (mapless_run / "figures" / "dice.png").exists()
    assert len(list((mapless_run / "overlays").iterdir())) == 6


def test_a_second_report_has_the_same_bytes(map_run: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in map_run.rglob("*") if path.is_file()}

    report.write(map_run)
    first = files()
    report.write(map_run)
    assert files() == first


def test_a_long_gallery_says_what_it_leaves_out(map_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [len(image["src"] or "") for image in _read(report.write(map_run)).images[5:-1]]
    monkeypatch.setattr(gallery, "MOST_BYTES", sum(sizes[:2]) + sizes[2] // 2)
    page = _read(report.write(map_run))
    assert "2 of 6 images are shown here" in page.text
    assert len(list((map_run / "overlays").iterdir())) == 6


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"image": np.zeros((4, 4), np.uint8)},
        {"image": np.zeros((4, 4, 3), np.uint8), "evidence": np.zeros((5, 5), np.float32)},
        {"image": np.array([{}])},
        IMAGE | {"label_map": np.full((4, 4), 3, np.uint8)},
        IMAGE | {"evidence": np.full((4, 4), np.nan, np.float32)},
        IMAGE | {"margin": np.zeros((4, 4), np.float32)},
        IMAGE | {"margin": np.zeros((4, 4), np.float32), "margin_sum": np.float32(0), "rival": np.int64(2)},
        IMAGE | {"evidence": np.zeros((4, 4), np.float32), "score": np.zeros(2)},
    ],
    ids=["nothing", "no colour", "sizes", "pickled", "class", "nan", "no runner-up", "unknown runner-up", "two scores"],
)
def test_damaged_maps_are_named(map_run: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(map_run / "fold-0" / "maps" / "c1 'é#.npz", **arrays)
    with pytest.raises(RunError, match=r"c1 'é#\.npz"):
        report.write(map_run)


@pytest.mark.parametrize("where", [0.3, 0.6])
def test_maps_with_a_flipped_byte_are_named(map_run: Path, where: float) -> None:
    path = map_run / "fold-0" / "maps" / "c1 'é#.npz"
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 255
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"c1 'é#\.npz"):
        report.write(map_run)


def test_maps_that_unpack_to_too_much_are_refused(map_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvs_med.report.case_maps._LARGEST", 1000)
    with pytest.raises(RunError, match="expected at most 1000 bytes"):
        report.write(map_run)


@pytest.mark.parametrize("name", ["environment.json", "fold-0/history.csv"])
def test_a_damaged_file_is_named(map_run: Path, name: str) -> None:
    (map_run / name).write_text("epoch\n1")
    with pytest.raises(RunError, match=name):
        report.write(map_run)


@pytest.mark.parametrize(
    ("right", "expected"), [(2, "2 fewer than"), (4, "as many as"), (5, "1 more than")], ids=["fewer", "even", "more"]
)
def test_the_best_baseline_is_compared_by_counts(map_run: Path, right: int, expected: str) -> None:
    measured = evaluate_run(map_run)
    best = replace(measured.result, accuracy=proportion(4, 6))
    weak = replace(measured.result, accuracy=proportion(1, 6))
    own = replace(measured.result, accuracy=proportion(right, 6))
    tests = [Difference("majority", 1, 2, 1, 0.01, 0.02), Difference("probe", right - 4, 1, 1, 0.5, 0.5)]
    said = words.beside_baselines(replace(measured, result=own, baselines={"majority": weak, "probe": best}), tests)
    assert said.startswith(f"That is {expected} the best baseline, probe (frozen features): 4 of 6 images")
    told = said.replace("\N{NO-BREAK SPACE}", " ")
    assert "right more often than most frequent class (p = 0.020)" in told
    assert "not shown to be different from probe (frozen features) (p = 0.50)" in told
