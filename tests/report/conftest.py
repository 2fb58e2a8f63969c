import json
from pathlib import Path

import numpy as np
import pytest

from cvs_med.tables import Segmentation, write_predictions, write_segmentation
from cvs_med.types import Prediction

NAMES = ["healthy", "<i>dia$betic$</i> [bold]"]
SIZE = 24


def _save_maps(run: Path, prediction: Prediction, rng: np.random.Generator, *, with_map: bool) -> None:
    folder = run / f"fold-{prediction.fold}" / "maps"
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {"image": rng.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)}
    if with_map:
        gold = (rng.random((SIZE, SIZE)) < 0.2).astype(np.uint8)
        evidence = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
        arrays |= {
            "label_map": np.roll(gold, 1) * np.uint8(prediction.predicted + 1),
            "foreground": gold * np.uint8(255),
            "evidence": evidence,
            "score": evidence.sum(),
            "margin": -evidence,
            "margin_sum": -evidence.sum(),
            "rival": np.int64(1 - prediction.predicted),
            "gold": gold,
            "field_of_view": np.ones_like(gold),
        }
    np.savez_compressed(folder / f"{prediction.case_id}.npz", **arrays)


def _write_run(run: Path, *, with_map: bool) -> Path:
    rng = np.random.default_rng(0)
    shares = [0.2, 0.9, 0.7, 0.8, 0.4, 0.1]
    predictions = [
        Prediction(f"c{n} 'é#", f"s{n // 2}", n // 3, n % 2, (1 - share, share)) for n, share in enumerate(shares)
    ]
    ids = [p.case_id for p in predictions]
    (run / "folds.json").write_text(json.dumps({"kind": "random", "seed": 0, "folds": [ids[:3], ids[3:]]}))
    card = {"name": "x", "title": "Tiny & <b>bold</b>", "class_names": NAMES, "class_codes": ["h", "d"], "cases": 6}
    more = {"foreground": "vessels", "licence": "CC0", "citation": "nobody", "notes": ["Some <u>notes</u>."]}
    (run / "dataset.json").write_text(json.dumps(card | more))
    (run / "environment.json").write_text(json.dumps({"torch": "2.13.0", "seconds": 1.5, "gpu": None}))
    (run / "protocol.yaml").write_text(f"method: {'cvs' if with_map else 'classification'} # <script>\n")
    write_predictions(run / "predictions.csv", predictions, NAMES)
    (run / "baselines").mkdir()
    flat = [Prediction(p.case_id, p.group, p.fold, p.label, (1.0, 0.0)) for p in predictions]
    write_predictions(run / "baselines" / "majority.csv", flat, NAMES)
    for prediction in predictions:
        _save_maps(run, prediction, rng, with_map=with_map)
    if with_map:
        rows = [Segmentation(p.case_id, p.fold, 0.1 * n, None, 0.2, 0.2) for n, p in enumerate(predictions)]
        write_segmentation(run / "segmentation.csv", rows)
    for fold in (0, 1):
        (run / f"fold-{fold}" / "history.csv").write_text("epoch,loss,seconds\n0,1.5,1\n1,0.5,1\n")
    return run


@pytest.fixture
def map_run(tmp_path: Path) -> Path:
    return _write_run(tmp_path, with_map=True)


@pytest.fixture
def mapless_run(tmp_path: Path) -> Path:
    return _write_run(tmp_path, with_map=False)
