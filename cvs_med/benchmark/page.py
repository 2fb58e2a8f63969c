"""The section of a page that holds what benchmarks last found: `python -m cvs_med.benchmark.page PAGE RESULT...`.

Each RESULT is what `cvs-med bench ... --json` printed, in a file named after the benchmark. What stands in the page
between the marks is replaced, and all else stays; without marks the section is added at the end.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from cvs_med.benchmark.rounds import Result
from cvs_med.evaluation import read_json
from cvs_med.tables import write_bytes

_BEGIN, _END = "<!-- begin: make bench -->", "<!-- end: make bench -->"


def renew(page: str, results: Sequence[tuple[str, Result]]) -> str:
    """Put results, each with the name of its benchmark, into the text of a page."""
    parts = [
        f"### `{_command(result)}`\n\nAt `{result.machine['commit']}`.\n\n{result.to_table()}"
        for _, result in sorted(results, key=lambda named: named[0])
    ]
    section = "\n\n".join([_BEGIN, "## `make bench`", *parts, _END])
    before, found, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2] if found else "\n"
    return (before if found else f"{before.rstrip()}\n\n") + section + after


def _command(result: Result) -> str:
    """Give the command that prints the table rather than its numbers."""
    return str(result.machine["command"]).removesuffix(" --json")


def main(page: Path, files: Sequence[Path]) -> None:
    """Renew a page from the files of results."""
    results = [(file.stem, read_json(file, Result)) for file in files]
    write_bytes(page, renew(page.read_text(encoding="utf-8"), results).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
