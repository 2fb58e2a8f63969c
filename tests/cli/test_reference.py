from pathlib import Path

from cvs_med.cli.reference import reference

ROOT = Path(__file__).parents[2]


def test_the_committed_reference_is_what_the_help_says() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference()
