"""What a report says of the signs beside the map: their weights in every fold, and where the folds do not agree."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from cvs_med.errors import RunError
from cvs_med.report import signs
from cvs_med.report.document import Table, Text
from cvs_med.report.facts import Facts, gather

BOTH = "method: cvs\nimages: {finer: 3, fibres: true}\n"


def with_signs(run: Path, *weights: dict[str, list[float]], protocol: str = BOTH) -> Facts:
    """Give a run the weights of signs, one network a fold."""
    (run / "protocol.yaml").write_text(protocol)
    for number, named in enumerate(weights):
        (run / f"fold-{number}").mkdir(exist_ok=True)
        arrays = {f"{name}.weight": np.array(values, np.float32) for name, values in named.items()}
        save_file(arrays, run / f"fold-{number}" / "model.safetensors")
    return gather(run)


def test_weights_stand_beside_their_mean_over_the_classes(map_run: Path) -> None:
    classes = gather(map_run).metrics.class_names
    first = [float(number) for number in range(len(classes))]
    facts = with_signs(map_run, {"spots": first}, {"head.spots": [value + 5 for value in first]})
    (table,) = signs.blocks(facts)
    assert isinstance(table, Table)
    middle = (len(classes) - 1) / 2
    assert [row[:2] for row in table.rows] == [("small dark spots", name) for name in classes]
    assert [row[2] for row in table.rows] == [f"{number - middle:+.1f}" for number in range(len(classes))]


def test_a_sign_that_folds_see_in_opposite_directions_is_named(map_run: Path) -> None:
    count = len(gather(map_run).metrics.class_names)
    one, other = [1.0] + [0.0] * (count - 1), [-1.0] + [0.0] * (count - 1)
    facts = with_signs(map_run, {"spots": one, "fibres": one}, {"spots": one, "fibres": other})
    table, said = signs.blocks(facts)
    assert isinstance(table, Table)
    assert isinstance(said, Text)
    assert len(table.rows) == 2 * count
    assert f"optic disc for {facts.metrics.class_names[0]}" in said.text
    assert "spots" not in said.text


@pytest.mark.parametrize("protocol", ["method: probe\nimages: {finer: 3}\n", "method: cvs\nimages: {finer: 0}\n"])
def test_what_is_not_looked_at_has_no_weight(map_run: Path, protocol: str) -> None:
    assert signs.blocks(with_signs(map_run, {"spots": [0.0, 1.0]}, protocol=protocol)) == []


def test_a_run_without_networks_says_nothing_and_a_damaged_one_is_refused(map_run: Path) -> None:
    assert signs.blocks(with_signs(map_run)) == []
    facts = with_signs(map_run, {"spots": [0.0, 1.0]})
    (map_run / "fold-0" / "model.safetensors").write_bytes(b"no numbers")
    with pytest.raises(RunError, match=r"model\.safetensors: expected the numbers of a network"):
        signs.blocks(facts)
