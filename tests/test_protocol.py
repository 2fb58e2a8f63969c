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
from protocol_texts import HEAD, Writer


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "own.yaml")


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
    assert written == fields(Protocol)


def test_what_is_left_out_is_the_default(write: Writer) -> None:
    assert write.load(HEAD) == Protocol(dataset="hrf")


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
        ("images.finer=9", "images.finer (given by an option)"),
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


def test_a_field_that_stands_twice_is_refused(write: Writer) -> None:
    message = write.refused("dataset: hrf\nmethod: cvs\nmethod: probe\n")
    assert "expected each field once, found 'method' twice" in message
    assert "line 3" in message


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
    with pytest.raises(ProtocolError, match=r"one of cifar10, digits, folder, hrf.*, found '.*/nowhere\.yaml'"):
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
