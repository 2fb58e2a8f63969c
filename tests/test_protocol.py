"""Protocols: strict, named by line, and never able to run anything."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cvs_med.errors import ProtocolError
from cvs_med.protocol import Protocol, catalogue, dump, load

HEAD = "dataset: hrf\n"


@pytest.fixture
def write(tmp_path: Path) -> "Writer":
    return Writer(tmp_path / "own.yaml")


class Writer:
    """Writes a protocol file, loads it, and gives what was said about it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, text: str, *settings: str) -> Protocol:
        self.path.write_text(text, encoding="utf-8")
        return load(str(self.path), settings)

    def refused(self, text: str, *settings: str) -> str:
        with pytest.raises(ProtocolError) as caught:
            self.load(text, *settings)
        return str(caught.value)


@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_loads_and_survives_a_round_trip(name: str, write: Writer) -> None:
    protocol = load(name)
    assert write.load(dump(protocol)) == protocol
    assert dump(write.load(dump(protocol))) == dump(protocol)


def test_the_catalogue_has_the_protocols_of_the_design() -> None:
    assert {"hrf", "hrf-gpu", "phantom", "digits", "paper/hrf-resnet101"} <= set(catalogue())


def test_what_is_written_names_every_field() -> None:
    def fields(model: type[BaseModel]) -> dict[str, object]:
        inner = {name: field.annotation for name, field in model.model_fields.items()}
        return {
            name: fields(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
            for name, kind in inner.items()
        }

    def names(content: object) -> object:
        whole = isinstance(content, dict) and content
        return {name: names(value) for name, value in whole.items()} if whole else None

    written = names(yaml.safe_load(dump(load("hrf"))))
    assert isinstance(written, dict)
    assert written | {"inner": {"select": None}} == fields(Protocol)


def test_a_protocol_that_decides_nothing_inside_is_written_as_before() -> None:
    assert "inner" not in yaml.safe_load(dump(load("hrf")))


def test_what_is_left_out_is_the_default(write: Writer) -> None:
    assert write.load(HEAD) == Protocol(dataset="hrf")


@pytest.mark.parametrize(
    ("text", "place", "line", "allowed"),
    [
        ("colour: red\n", "colour", 2, "dataset, method, q, within, images, network"),
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


def test_an_option_that_disagrees_is_named_as_such(write: Writer) -> None:
    message = write.refused(HEAD, "network.backbone=wideresnet-10-1", "images.size=30", "network.weights=none")
    assert "images.size (given by an option): expected a multiple of 4" in message


def test_settings_change_single_fields(write: Writer) -> None:
    protocol = write.load(
        HEAD + "training: {epochs: 9, batch_size: 2}\n",
        "training.epochs=3", "q = foreground", "augmentation.flip=[vertical]", "training.weight_decay=1e-4",
        "network.weights=a=b.pth",
    )  # fmt: skip
    assert (protocol.training.epochs, protocol.training.batch_size) == (3, 2)
    assert protocol.q == "foreground"
    assert protocol.augmentation.flip == ("vertical",)
    assert protocol.training.weight_decay == 1e-4
    assert protocol.network.weights == "a=b.pth"


def test_the_last_of_two_settings_counts(write: Writer) -> None:
    assert write.load(HEAD, "training.epochs=3", "training.epochs=4").training.epochs == 4


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.epochs", "Expected KEY=VALUE such as training.epochs=3, found 'training.epochs'"),
        ("=3", "Expected KEY=VALUE"),
        ("training.=3", "Expected KEY=VALUE"),
        ("method.name=cvs", "method is not a section"),
        ("training.epochs=[", "Expected a YAML value in 'training.epochs=['"),
        ("training.epochs=", "training.epochs (given by an option): Input should be a valid integer"),
        ("training.epoch=3", "training.epoch (given by an option): expected one of optimiser, learning_rate"),
        ("nothing.at_all=3", "the unknown field 'nothing'"),
        ("training=3", "training (given by an option)"),
        ("network.levels=[0, 9]", "network.levels.1 (given by an option)"),
        ("training.epochs=!!python/object/apply:os.getcwd []", "Expected a YAML value"),
    ],
)
def test_a_wrong_setting_is_refused(write: Writer, setting: str, said: str) -> None:
    assert said in write.refused(HEAD + "method: cvs\n", setting)


@pytest.mark.parametrize(
    "attack",
    [
        "!!python/object/apply:os.system ['touch {0}']",
        "!!python/object/new:subprocess.Popen [['touch', '{0}']]",
        "!!python/name:os.system",
        "!!python/module:os",
    ],
)
def test_a_protocol_cannot_run_code(write: Writer, tmp_path: Path, attack: str) -> None:
    trace = tmp_path / "trace"
    message = write.refused(HEAD + "method: " + attack.format(trace))
    assert "expected YAML, found" in message
    assert "line 2" in message
    assert not trace.exists()


@pytest.mark.parametrize(
    ("text", "found"), [("", "NoneType"), ("- a\n- b\n", "list"), ("hrf\n", "str"), ("3\n", "int")]
)
def test_only_a_mapping_is_a_protocol(write: Writer, text: str, found: str) -> None:
    assert f"expected fields such as `dataset: hrf`, found {found}" in write.refused(text)


@pytest.mark.parametrize("text", ["dataset: [", "dataset: hrf\n  method: cvs\n", "\tdataset: hrf", "a: *b"])
def test_what_is_not_yaml_is_said_to_be_so(write: Writer, text: str) -> None:
    message = write.refused(text)
    assert "expected YAML" in message
    assert "line " in message


@pytest.mark.parametrize("value", ["2001-13-45", "!!timestamp soon", "!!int many", "9" * 5000, "0b_"])
def test_impossible_dates_and_numbers_are_refused(write: Writer, value: str) -> None:
    write.refused(f"dataset: {value}\n")
    with pytest.raises(ProtocolError):
        load("hrf", [f"training.epochs={value}"])


@pytest.mark.parametrize("text", ["1: 2\n", "null: 2\n", "[a, b]: 2\n", "2001-01-01: 2\n", "{}\n", "a: &a [*a]\n"])
def test_strange_keys_and_circles_are_refused(write: Writer, text: str) -> None:
    write.refused(text)


def test_a_huge_file_is_not_read(write: Writer) -> None:
    assert "more than a megabyte" in write.refused(HEAD + "#" * (1 << 20))


def test_a_binary_file_is_not_read(write: Writer) -> None:
    write.path.write_bytes(b"dataset: \xff\xfe\x00")
    with pytest.raises(ProtocolError, match="expected a readable text file"):
        load(str(write.path))


def test_names_for_names_do_not_multiply_in_the_message(write: Writer) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    message = write.refused("\n".join([*lines, "dataset: *a8\n"]))
    assert "dataset (line 10)" in message
    assert len(message) < 10_000


def test_brackets_without_end_are_refused(write: Writer) -> None:
    assert "expected YAML" in write.refused("dataset: " + "[" * 100_000)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"one of digits, folder, hrf.*, found '.*/nowhere\.yaml'"):
        load(str(tmp_path / "nowhere.yaml"))


def test_a_name_of_any_length_is_looked_up() -> None:
    with pytest.raises(ProtocolError, match="Expected a protocol file"):
        load("x" * 5000)


def test_a_folder_is_not_a_protocol(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="Expected a protocol file"):
        load(str(tmp_path))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(sorted(Protocol.model_fields)),
)
def test_whatever_stands_in_a_field_is_taken_or_refused_in_words(value: object, field: str) -> None:
    path = Path(os.environ["CVS_MED_CACHE"]).parent / "any.yaml"
    path.write_text(yaml.safe_dump({"dataset": "hrf", field: value}), encoding="utf-8")
    try:
        protocol = load(str(path))
    except ProtocolError as error:
        assert field in str(error) or "the whole protocol" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(protocol, Protocol)
