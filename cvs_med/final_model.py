"""One network trained on all cases, with what its cross-validation lets one expect of it."""

from pathlib import Path

from cvs_med import checkpoints, experiment, run_folder
from cvs_med.errors import RunError
from cvs_med.evaluation import INTERVAL_CAVEAT, RunMetrics, decided, measure_run
from cvs_med.folds import keep_model, train_network
from cvs_med.observers import Observer
from cvs_med.prediction import ensemble, gate_file
from cvs_med.prediction.gates import FalseAlarms
from cvs_med.propagation import few_masks
from cvs_med.protocol import Protocol
from cvs_med.report.markdown import escape
from cvs_med.setup import Machine, prepare
from cvs_med.statistics.metrics import Proportion
from cvs_med.tables import write_bytes

CARD = "MODEL_CARD.md"


def train(
    protocol: Protocol,
    out: Path,
    *,
    cross_validation: Path,
    data_dir: Path | None,
    machine: Machine,
    observer: Observer,
) -> None:
    """Train on all cases by a protocol, and write network, gates and model card into a folder for `predict`.

    Args:
        protocol: the experiment; its folds are not used.
        out: folder, new or of the same protocol.
        cross_validation: finished run of the same protocol, whatever its splits, on the same photographs and weights.
        data_dir: see `setup.prepare`, as the rest.
        machine: where to compute.
        observer: told of progress.

    Raises:
        CvsMedError: the cross-validation is of something else, or data, weights or folders are not as they should be.
    """
    if out.resolve() == cross_validation.resolve():
        raise RunError(f"{out}: expected a folder for the model alone, found its cross-validation. Name another --out.")
    require_same_protocol(protocol, cross_validation)
    expected = measure_run(cross_validation)
    with run_folder.opened(out, protocol) as folder:
        setup = prepare(protocol, data_dir=data_dir, machine=machine, observer=observer)
        run_folder.RunFolder(cross_validation).require_same("inputs.json", setup.inputs)
        folder.require_same("inputs.json", setup.inputs)
        experiment.describe({"": setup}, folder)
        if not (out / ensemble.MODEL).exists():
            observer.stage(f"Training on all {len(setup.cases)} cases")
            everyone = range(len(setup.cases))
            taught = setup
            if protocol.masks.per_class:
                few_masks.require_enough(setup, [everyone])
                taught = few_masks.taught(setup, out, 0, everyone)
            keep_model(out / ensemble.MODEL, train_network(taught, out, 0, everyone))
        checkpoints.remove(out / checkpoints.FILE)
        if decisions := decided.read(cross_validation):
            folder.write_json(decided.FILE, decisions.rule_alone().model_dump(mode="json"))
        observer.stage("Fitting the gates")
        network = ensemble.read(out, device=setup.fabric.device)
        fitted = gate_file.of_run(cross_validation, network, observer.counted, keep=False)
        gate_file.write(out / gate_file.FILE, fitted)
        write_bytes(out / CARD, card(network, expected, fitted.alarms).encode())


def require_same_protocol(protocol: Protocol, cross_validation: Path) -> None:
    """Check that a run was made by this protocol, up to its splits.

    Raises:
        RunError: it was made by another, or is a probe's, which is no network.
    """
    if protocol.method == "probe":
        raise RunError("Expected a method with a network to train, found `method: probe`. Ask for another method.")
    found = ensemble.read_protocol(cross_validation)
    if found.model_copy(update={"splits": protocol.splits}) != protocol:
        fields = [name for name in Protocol.model_fields if name != "splits"]
        other = ", ".join(name for name in fields if getattr(found, name) != getattr(protocol, name))
        raise RunError(
            f"{cross_validation}: expected a cross-validation of the same protocol, found another {other}. "
            "Its performance says nothing of this model; cross-validate this protocol first."
        )


def card(network: ensemble.Ensemble, expected: RunMetrics, alarms: FalseAlarms) -> str:
    """Write the model card, as Markdown."""
    data, result = network.card, expected.result
    others = " and on images of other folders, see below" if network.protocol.also_train else ""
    few = network.protocol.masks.per_class
    learnt = [f"Masks of {few} cases a class were learnt from; those of the others were made by a network.", ""]
    names = [escape(name) for name in data.class_names]
    sensitivities = [
        f"| {name} | {_share(found.sensitivity)} | {_share(found.specificity)} |"
        for name, found in zip(names, result.classes, strict=True)
    ]
    baselines = [f"- {name}: accuracy {_share(metrics.accuracy)}" for name, metrics in expected.baselines.items()]
    return "\n".join(
        [
            f"# {escape(data.title)}: {expected.method}, {network.protocol.network.backbone}",
            "",
            "For research; not a medical device.",
            "",
            f"One network, trained on all {data.cases} cases{others}. It tells {', '.join(names)}.",
            "",
            *(learnt if few else []),
            "## Expected performance",
            "",
            f"Of the cross-validation of the same protocol ({expected.splits}, {len(result.folds)} folds), whose "
            "networks each saw fewer cases; this network itself was tested on nothing.",
            "",
            f"Accuracy {_share(result.accuracy)}.",
            "",
            "| class | sensitivity | specificity |",
            "|---|---|---|",
            *sensitivities,
            "",
            "Trivial baselines on the same folds:",
            "",
            *baselines,
            "",
            INTERVAL_CAVEAT,
            "",
            "## Photographs it is not for",
            "",
            f"A photograph unlike the training ones is flagged and gets no diagnosis. {_alarms(network, alarms)}",
            "",
            *_abstains(network, expected),
            "## Data",
            "",
            f"{escape(data.citation)} Licence: {escape(data.licence)}.",
            "",
            *(f"- {escape(note)}" for note in data.notes),
            "",
        ]
    )


def _alarms(network: ensemble.Ensemble, alarms: FalseAlarms) -> str:
    """Say how often the gates close falsely, and what the count is worth."""
    said = f"{alarms.either} of {alarms.photographs} training photographs were flagged falsely"
    if network.protocol.network.trainable == "all":
        return f"{said}, with an encoder that had been trained on them: expect more."
    return f"{said}, by limits that had not seen them."


def _abstains(network: ensemble.Ensemble, expected: RunMetrics) -> list[str]:
    """Say from which confidence it answers, and what that did in the cross-validation; nothing without a threshold."""
    rule, found = network.abstention, expected.decided.abstained if expected.decided else None
    if rule is None or found is None:
        return []
    sent = found.answered.n - found.answered.successes
    return [
        f"An answer with a confidence of {rule.above:.3f} or less is flagged too. In the cross-validation, by the "
        f"threshold of each fold, {sent} of {found.answered.n} cases were sent to a human; of the others "
        f"{found.wrong.successes} of {found.wrong.n} were wrong. What this one threshold does was not tested.",
        "",
    ]


def _share(value: Proportion) -> str:
    return f"{value.successes} of {value.n} (95 % interval {value.low:.2f} to {value.high:.2f})"
