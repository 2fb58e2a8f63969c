"""Fields of a protocol: what each may be, and which do not agree."""

from pathlib import Path

import pytest

from cvs_med.protocol import dump
from protocol_texts import HEAD, Writer


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("text", "place", "line", "allowed"),
    [
        ("colour: red\n", "colour", 2, "dataset, also_train, method, q, within, images, network"),
        ("training:\n  epochs: 3\n  rate: 0.1\n", "training.rate", 4, "optimiser, learning_rate"),
        ("# a comment\n\nmethod: magic\n", "method", 4, "'cvs', 'classification', 'multitask', 'probe' or 'transfer'"),
        ("images:\n  size: 100\n", "images.size", 3, "a multiple of 32 with densenet169. Found 100"),
        ("images:\n  size: 8\n", "images.size", 3, "greater than or equal to 16"),
        ("images:\n  size: 8192\n", "images.size", 3, "less than or equal to 4096"),
        ("training:\n  learning_rate: fast\n", "training.learning_rate", 3, "valid number"),
        ("training:\n  learning_rate: .nan\n", "training.learning_rate", 3, "finite number"),
        ("training:\n  learning_rate: .inf\n", "training.learning_rate", 3, "finite number"),
        ("training:\n  epochs: 0\n", "training.epochs", 3, "greater than or equal to 1"),
        ("training:\n  epochs: 2.5\n", "training.epochs", 3, "valid integer"),
        ("network:\n  backbone: vgg\n", "network.backbone", 3, "expected resnet18, resnet34"),
        ("network:\n  backbone: wideresnet-27-10\n", "network.backbone", 3, "DEPTH being 6n + 4"),
        ("network:\n  backbone: 18\n", "network.backbone", 3, "valid string"),
        ("augmentation:\n  crop_area: [0.9, 0.1]\n", "augmentation", 2, "two shares above zero, the smaller first"),
        ("augmentation:\n  crop_area: [0, 1]\n", "augmentation", 2, "two shares above zero, the smaller first"),
        ("augmentation:\n  crop_area: 0.5\n", "augmentation.crop_area", 3, "valid tuple"),
        ("augmentation:\n  crop_ratio: 0.5\n", "augmentation.crop_ratio", 3, "greater than or equal to 1"),
        ("augmentation:\n  mixup: -1\n", "augmentation.mixup", 3, "greater than or equal to 0"),
        ("training:\n  steps: 0\n", "training.steps", 3, "greater than or equal to 1"),
        ("network:\n  dropout: 1\n", "network.dropout", 3, "less than 1"),
        ("network:\n  levels: [0, 7]\n", "network.levels.1", 3, "less than or equal to 4"),
        ("network:\n  levels: [2, 0]\n", "network", 2, "each level once, from fine to coarse"),
        ("network:\n  levels: [1, 1]\n", "network", 2, "each level once, from fine to coarse"),
        ("network:\n  levels: []\n", "network.levels", 3, "at least 1 item"),
        ("loss:\n  map_weight: 0\n", "loss", 2, "map_weight or class_weight above zero"),
        ("splits:\n  folds: 1\n", "splits.folds", 3, "greater than or equal to 2"),
        ("splits:\n  seed: -1\n", "splits.seed", 3, "greater than or equal to 0"),
        ("training: fast\n", "training", 2, "dictionary"),
        ("training:\n", "training", 2, "dictionary"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_line_and_what_is_allowed(
    write: Writer, text: str, place: str, line: int, allowed: str
) -> None:
    message = write.refused(HEAD + text)
    assert f"{place} (line {line}): " in message
    assert allowed in message
    assert str(write.path) in message


def test_all_faults_are_listed_at_once(write: Writer) -> None:
    message = write.refused("method: magic\nimages: {size: 1}\nsplits:\n  kind: none\n")
    for place in ("dataset", "method (line 1)", "images.size (line 2)", "splits.kind (line 4)"):
        assert place in message


@pytest.mark.parametrize("change", ["zoom: 0.1", "shift: 0.1", "colour: 0.1", "noise: 0.1", "crop_area: [0.5, 1]"])
def test_a_frozen_encoder_sees_only_fixed_views(write: Writer, change: str) -> None:
    message = write.refused(HEAD + f"network: {{trainable: head}}\naugmentation: {{{change}}}\n")
    assert "augmentation (line 3): expected only flip and turn with `network.trainable: head`" in message
    write.load(HEAD + f"network: {{trainable: all}}\naugmentation: {{{change}}}\n")


def test_the_linear_part_needs_a_frozen_encoder(write: Writer) -> None:
    assert "network.context (line 2)" in write.refused(HEAD + "network: {trainable: all, context: [3]}\n")
    assert write.load(HEAD + "network: {trainable: head, context: [3]}\n").network.context == (3,)


def fields(**sections: object) -> str:
    """Write sections as a protocol, each on its line in the order given, from line 2."""
    return HEAD + "".join(f"{name}: {value}\n" for name, value in sections.items())


WIDE = "{backbone: wideresnet-28-10, weights: none, trainable: all}"
LENET = "{backbone: lenet5, weights: none, trainable: all}"
BIT = "{backbone: bit50x1, weights: none, trainable: all}"
DIGIT = "{size: 28}"


@pytest.mark.parametrize(
    "text",
    [
        fields(images=DIGIT, network=WIDE),
        fields(images="{size: 32}", network=WIDE.replace("}", ", decoder: transposed, dropout: 0.3}")),
        fields(images=DIGIT, network=WIDE, method="multitask", loss="{class_weight: 0.5}"),
        fields(images=DIGIT, network=WIDE, method="classification", augmentation="{mixup: 0.2}"),
        fields(images=DIGIT, network=LENET, method="classification", probe="{level: 1}"),
        fields(images="{size: 128}", network=BIT, method="classification", training="{schedule: hyperrule}"),
        fields(images="{size: 480}", network=BIT.replace("none", "BiT-M-R50x1.npz"), method="classification"),
        fields(method="multitask", loss="{class_weight: 1}", network="{decoder: transposed, output_stride: 8}"),
        fields(images="{size: 32}", network="{output_stride: 8}", training="{batch_size: 1}"),
        fields(images=DIGIT, network=WIDE, training="{batch_size: 1}"),
    ],
)
def test_the_paper_s_networks_are_valid(write: Writer, text: str) -> None:
    protocol = write.load(text)
    assert write.load(dump(protocol)) == protocol


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (fields(images="{size: 30}", network=WIDE), "images.size (line 2)", "a multiple of 4 with wideresnet-28-10"),
        (fields(images="{size: 64}", network=LENET, method="classification", probe="{level: 1}"),
         "images.size (line 2)", "expected 28 or 32 with lenet5. Found 64"),
        (fields(images="{size: 100}", network=BIT, method="classification"), "images.size (line 2)", "32 with bit50x1"),
        (fields(network=WIDE.replace("weights: none, ", "")), "network.weights (line 2)",
         "with wideresnet-28-10, none or a file: no weights are published for it. Found 'imagenet'"),
        (fields(network=BIT.replace("none", "imagenet")), "network.weights (line 2)", "the file BiT-M-R50x1.npz"),
        (fields(network=WIDE.replace("}", ", output_stride: 8}")), "network.output_stride (line 2)", "expected 32"),
        (fields(network="{dropout: 0.3}"), "network.dropout (line 2)", "only a Wide-ResNet has dropout"),
        (fields(network=WIDE.replace("}", ", levels: [0, 4]}")), "network (line 2)", "levels and context of 0 to 3"),
        (fields(network=WIDE, probe="{level: 4}"), "probe.level (line 3)", "0 to 3 with wideresnet-28-10. Found 4"),
        (fields(images=DIGIT, network=LENET), "probe.level (line 1)", "0 to 1 with lenet5. Found 3"),
        (fields(images=DIGIT, network=LENET, probe="{level: 1}"), "method (line 1)", "which has no decoder"),
        (fields(method="multitask"), "loss (line 1)", "map_weight and class_weight above zero"),
        (fields(method="multitask", loss="{map_weight: 0, class_weight: 1}"), "loss (line 3)", "above zero"),
        (fields(network=WIDE, augmentation="{mixup: 0.1}"), "augmentation.mixup (line 3)", "only with `method: class"),
        (fields(method="classification", augmentation="{mixup: 0.1}"), "augmentation.mixup (line 3)", "trainable: all"),
        (fields(network=WIDE, training="{schedule: hyperrule}"), "training.schedule (line 3)", "only with `method:"),
        (fields(network=BIT, method="classification", training="{schedule: hyperrule}", augmentation="{mixup: 0.1}"),
         "augmentation.mixup (line 5)", "expected 0 with `training.schedule: hyperrule`"),
        (fields(images="{size: 32}", training="{batch_size: 1}"), "training.batch_size (line 3)",
         "at least 2 where the coarsest map of 32 pixels is a single cell"),
        (fields(q="probability", images="{size: 64, fibres: true}"), "images.fibres (line 3)", "false with `q: prob"),
        (fields(images="{size: 64, fibres: true}", network="{trainable: all}"), "images.fibres (line 2)",
         "where photographs are turned or changed"),
        (fields(images="{size: 64, fibres: true}", augmentation="{turn: 5}"), "images.fibres (line 2)", "still above"),
    ],
)  # fmt: skip
def test_what_a_backbone_or_method_does_not_have_is_named(write: Writer, text: str, place: str, said: str) -> None:
    message = write.refused(text)
    assert f"  {place}: " in message
    assert said in message


def test_fields_that_disagree_are_all_listed(write: Writer) -> None:
    message = write.refused(fields(method="multitask", images="{size: 30}", network="{backbone: lenet5, dropout: 0.1}"))
    for place in ("images.size", "network.weights", "network.dropout", "probe.level", "method", "loss"):
        assert f"  {place} (line " in message
