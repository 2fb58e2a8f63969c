"""Curves by samples a class: what was measured and what was published stand in panels of their own."""

import io

import pytest
from matplotlib.figure import Figure

from cvs_med import reported
from cvs_med.report import sample_curves
from cvs_med.reported import compare
from cvs_med.sweep_table import Row, SweepTable


def table(dataset: str = "mnist", backbone: str = "wideresnet-28-10") -> SweepTable:
    rows = [Row(method="cvs", samples=count, right=(10 * count, 20 * count), tested=200) for count in (5, 1)]
    return SweepTable(dataset=dataset, backbone=backbone, augmentation="paper", masks="", rows=tuple(rows))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []

    def keep(canvas: Figure) -> bytes:
        kept.append(canvas)
        return b""

    monkeypatch.setattr(sample_curves, "to_png", keep)
    return kept


def test_measured_and_reported_stand_in_panels_of_their_own(drawn: list[Figure]) -> None:
    sample_curves.draw(compare({"mine": table()}, reported.load().accuracy))
    measured, published = drawn[0].axes
    assert [text.get_text() for text in measured.get_legend().get_texts()] == ["mine: cvs"]
    assert [text.get_text().split(",")[0] for text in published.get_legend().get_texts()] == [
        "classification", "multi-task", "CvS"
    ]  # fmt: skip
    (line,) = [line for line in measured.lines if line.get_label() == "_nolegend_" and len(line.get_xdata()) == 2][:1]
    assert [float(value) for value in line.get_ydata()] == [7.5, 37.5]
    assert measured.get_ylim() == published.get_ylim()


def test_without_published_figures_there_is_one_panel_a_data_set(drawn: list[Figure]) -> None:
    sample_curves.draw(compare({"mine": table(), "other": table("cifar10")}, ()))
    assert [axes.get_title().split(":")[0] for axes in drawn[0].axes] == ["mnist", "cifar10"]


def test_it_is_a_picture() -> None:
    assert io.BytesIO(sample_curves.draw(compare({"a $ b": table()}, ()))).read(4) == b"\x89PNG"
