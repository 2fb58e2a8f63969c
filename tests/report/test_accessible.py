"""What can be said of a page's accessibility without a browser; tests/report/test_browser.py asks one."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from cvs_med import report


class Outline(HTMLParser):
    """Collects what a screen reader goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: dict[str, list[dict[str, str | None]]] = {}
        self.open: list[str] = []
        self.headings: list[int] = []
        self.unlabelled: list[str] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.setdefault(tag, []).append(dict(attrs))
        if tag in {"select", "input"} and "label" not in self.open:
            self.unlabelled.append(tag)
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(int(tag[1]))
        if tag not in {"meta", "img", "br", "link", "input"}:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


@pytest.fixture(params=["map_run", "mapless_run"])
def page(request: pytest.FixtureRequest) -> Outline:
    run: Path = request.getfixturevalue(request.param)
    outline = Outline()
    outline.feed(report.write(run).read_text(encoding="utf-8"))
    return outline


def test_language_title_and_landmarks_are_there(page: Outline) -> None:
    assert page.attributes["html"] == [{"lang": "en-GB"}]
    assert page.texts["title"][0].strip()
    assert len(page.attributes["main"]) == len(page.attributes["header"]) == 1
    assert all(nav.get("aria-label") for nav in page.attributes["nav"])


def test_headings_begin_at_one_and_leave_no_level_out(page: Outline) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_every_table_has_a_caption_and_scoped_headers(page: Outline) -> None:
    assert len(page.attributes["caption"]) == len(page.attributes["table"])
    assert all(text.strip() for text in page.texts["caption"])
    assert {header.get("scope") for header in page.attributes["th"]} == {"col", "row"}


def test_every_picture_has_a_text_and_every_choice_a_label(page: Outline) -> None:
    assert all((image.get("alt") or "").strip() for image in page.attributes["img"])
    assert len(page.attributes["select"]) == 5
    assert page.unlabelled == []


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(page: Outline) -> None:
    every = [values for tags in page.attributes.values() for values in tags]
    ids = [values["id"] for values in every if "id" in values]
    assert len(ids) == len(set(ids))
    targets = {link["href"] for link in page.attributes["a"] if (link["href"] or "").startswith("#")}
    assert targets <= {f"#{name}" for name in ids}
    assert {values["aria-labelledby"] for values in every if "aria-labelledby" in values} <= set(ids)


def test_regions_that_scroll_can_be_reached_by_keyboard_and_have_a_name(page: Outline) -> None:
    regions = [values for values in page.attributes["div"] if values.get("class") == "scroll"]
    assert len(regions) == len(page.attributes["table"])
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_cards_are_shown_and_the_filter_hidden_until_its_script_runs(page: Outline) -> None:
    assert all("hidden" not in card for card in page.attributes["article"])
    assert "hidden" in page.attributes["form"][0]
