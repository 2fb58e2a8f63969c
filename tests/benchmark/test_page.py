"""The section of a page that benchmarks renew."""

import json
from pathlib import Path

from cvs_med.benchmark import page
from cvs_med.benchmark.rounds import Ratio, Result


def found(what: str) -> Result:
    command = f"cvs-med bench {what} --json"
    machine = {"processor": "one", "threads": 2.0, "torch": "2", "command": command, "commit": "abc"}
    return Result((Ratio(what, 1.0, 2.0, 2.0, "ms"),), 5, machine)


def test_only_what_stands_between_the_marks_changes(tmp_path: Path) -> None:
    text = tmp_path / "results.md"
    text.write_text("# Results\n\nSeen.\n")
    files = [tmp_path / f"{name}.json" for name in ("train", "cache")]
    for file in files:
        file.write_text(found(file.stem).to_json())
    page.main(text, files)
    first = text.read_text()
    assert first.startswith("# Results\n\nSeen.\n\n")
    assert first.index("### `cvs-med bench cache`\n") < first.index("### `cvs-med bench train`\n")
    assert "| train | 1.00 ms | 2.00 ms | 2.00 |" in first
    assert "one, 2 threads" in first
    text.write_text(first + "\nWritten later.\n")
    content = json.loads(files[0].read_text())
    content["ratios"][0]["ours"] = 7
    files[0].write_text(json.dumps(content))
    page.main(text, files)
    assert text.read_text() == first.replace("| train | 1.00 ms", "| train | 7.00 ms") + "\nWritten later.\n"
