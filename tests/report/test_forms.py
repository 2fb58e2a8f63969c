"""The same report as PDF, Markdown and JSON, the checklists and the model card."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from cvs_med import report
from cvs_med.evaluation.result import MadeMasks
from cvs_med.report import card, checklist
from cvs_med.report.answers import answers
from cvs_med.report.facts import gather

RUNS = pytest.mark.parametrize("kind", ["map_run", "mapless_run"])


def words_of(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    text = " ".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return " ".join(text.split())


@RUNS
def test_a_pdf_says_what_the_page_says(request: pytest.FixtureRequest, kind: str) -> None:
    run: Path = request.getfixturevalue(kind)
    text = words_of(report.write(run, "pdf"))
    for said in ("Tiny & <b>bold</b>", "4 of 6 images", "Can the label be guessed", "<i>dia$betic$</i> [bold]"):
        assert said in text
    assert text.count("✗ wrong") == 2


def test_no_page_of_a_pdf_is_empty_and_nothing_is_drawn_at_its_edge(map_run: Path) -> None:
    document = pypdfium2.PdfDocument(report.write(map_run, "pdf"))
    for page in document:
        dark = page.render(scale=0.5).to_numpy().min(axis=2) < 200
        assert dark.sum() > 50
        edges = dark[:8], dark[-4:], dark[:, :8], dark[:, -8:]
        assert not any(np.any(edge) for edge in edges)
    document.close()


def test_a_second_pdf_has_the_same_bytes(map_run: Path) -> None:
    first = report.write(map_run, "pdf").read_bytes()
    assert report.write(map_run, "pdf").read_bytes() == first


@RUNS
def test_markdown_shows_every_figure_and_escapes_what_a_run_says(request: pytest.FixtureRequest, kind: str) -> None:
    run: Path = request.getfixturevalue(kind)
    text = report.write(run, "md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((figures/\w+\.png)\)", text)
    assert len(shown) >= 5
    assert all((run / name).is_file() for name in shown)
    assert "Tiny & \\<b\\>bold\\</b\\>" in text
    assert not re.search(r"(?<!\\)<[a-z/]", re.sub(r"```.*?```", "", text, flags=re.S))


def test_rows_of_a_markdown_table_have_as_many_cells_as_its_header(map_run: Path) -> None:
    tables = re.findall(r"(?:^\|.*\n?)+", report.write(map_run, "md").read_text(encoding="utf-8"), flags=re.M)
    assert len(tables) >= 6
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}) == 1


def test_json_holds_the_numbers_of_metrics_json(map_run: Path) -> None:
    content = json.loads(report.write(map_run, "json").read_text(encoding="utf-8"))
    assert content["metrics"] == json.loads((map_run / "metrics.json").read_text(encoding="utf-8"))
    assert content["differences"][0]["baseline"] == "majority"
    assert content["audit"] is None


def test_the_checklists_have_all_items_in_order_and_every_answer_exists(map_run: Path) -> None:
    known = answers(gather(map_run))
    claim, tripod = checklist.checklists()
    assert [item.number for item in claim.items] == [str(number) for number in range(1, 45)]
    assert {int(re.sub(r"\D", "", item.number)) for item in tripod.items} == set(range(1, 28))
    assert len(tripod.items) == len({item.number for item in tripod.items}) == 52
    asked = {item.answer for each in (claim, tripod) for item in each.items if item.answer}
    assert asked == set(known)


def test_a_checklist_fills_in_what_the_run_knows_and_leaves_the_rest_open(map_run: Path) -> None:
    facts = gather(map_run)
    rows = list(csv.DictReader(io.StringIO(checklist.as_csv(facts))))
    said = {(row["checklist"], row["item"]): row["what the run says"] for row in rows}
    assert said["CLAIM 2024", "33"] == "Not done."
    assert said["CLAIM 2024", "44"] == said["TRIPOD+AI", "17"] == ""
    assert "2 random folds" in said["TRIPOD+AI", "12a"]
    text = checklist.as_markdown(facts)
    assert text.count(checklist.OPEN) == sum(not value for value in said.values())


def test_a_checklist_says_where_masks_were_made(map_run: Path) -> None:
    facts = gather(map_run)
    few = replace(facts.metrics, masks=MadeMasks((3, 3), (4, 5), 1, None, None))
    said = answers(replace(facts, metrics=few))["masks"]
    assert said.startswith("Each fold learnt from 3 masks that were given; a network made the other 4 to 5")


def test_a_model_card_says_what_it_is_for_and_what_not(map_run: Path) -> None:
    text = card.as_markdown(gather(map_run))
    assert text.startswith("# Model card: CvS (class from the map) on Tiny")
    for said in ("## Intended use", "Not for: diagnosis", "4 of 6 images", "## Limits", "not a medical device"):
        assert said in text
