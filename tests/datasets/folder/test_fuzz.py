"""Whatever a file holds: reading it gives a picture or our own error, never another exception, never a warning."""

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cvs_med import datasets
from cvs_med.datasets.folder import first_look, labels, patterns
from cvs_med.datasets.folder.files import Found
from cvs_med.datasets.folder.names import unsafe
from cvs_med.datasets.folder.settings import Settings
from cvs_med.datasets.folder.settings import load as load_settings
from cvs_med.errors import DataError, Problem, printable
from cvs_med.images import read_header, read_image, read_mask
from cvs_med.types import OwnFile, Reading

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
KINDS = ("png", "jpg", "tif", "bmp", "webp", "nii", "nii.gz", "dcm", "16.png", "mask.png", "ct.dcm", "palette.dcm")
READINGS = (Reading(), Reading("coronal", 1, (40.0, 400.0)))

# Files are written into one folder again and again, and each example needs but its own.
fuzzed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, dicom: Callable[..., Path]) -> dict[str, bytes]:
    """One good file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix in ("png", "jpg", "tif", "bmp", "webp"):
        Image.fromarray(PIXELS).save(folder / f"a.{suffix}")
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 200).save(folder / "a.16.png")
    Image.fromarray((PIXELS[..., 0] > 99) * np.uint8(255)).save(folder / "a.mask.png")
    for suffix in ("nii", "nii.gz"):
        nibabel.save(nibabel.Nifti1Image(PIXELS.astype(np.float32), np.eye(4)), folder / f"a.{suffix}")
    dicom(folder / "a.dcm", PIXELS, PatientName="Nobody")
    values = PIXELS[..., 0].astype(np.int16)
    dicom(folder / "a.ct.dcm", values, WindowCenter="40", WindowWidth="80", RescaleSlope="2", RescaleIntercept="-9")
    tables = {}
    for name in ("Red", "Green", "Blue"):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = bytes(512)
    dicom(folder / "a.palette.dcm", PIXELS[..., 0], PhotometricInterpretation="PALETTE COLOR", **tables)
    return {kind: (folder / f"a.{kind}").read_bytes() for kind in KINDS}


def problems_of(do: Callable[[], object]) -> tuple[Problem, ...]:
    """Do something, and give the problems of our own error; any other exception goes on."""
    try:
        do()
    except DataError as error:
        return error.problems
    return ()


def read_all(path: Path) -> set[str]:
    """Read a file in every way there is; say what came out."""
    outcomes = set()

    def read_picture(file: OwnFile) -> None:
        pixels = read_image(file)
        assert (pixels.dtype, pixels.ndim, pixels.shape[-1]) == (np.uint8, 3, 3)

    for reading in READINGS:
        for read in (read_picture, read_mask, read_header):
            problems = problems_of(partial(read, OwnFile(path, reading)))
            assert all("\n" not in str(problem) for problem in problems)
            outcomes.add("refused" if problems else "read")
    return outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_read(kind: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / f"a.{kind}").write_bytes(whole[kind])
    assert "read" in read_all(tmp_path / f"a.{kind}")


@pytest.mark.parametrize("kind", KINDS)
@fuzzed
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(
    kind: str, whole: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(whole[kind])
    # Headers decide most, so most of the damage is there.
    places = st.integers(0, len(content) - 1) | st.integers(0, min(len(content), 700) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)):
        content[place] = value
    length = data.draw(st.none() | st.integers(0, len(content)))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(bytes(content[:length]))
    read_all(path)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_under_any_ending_are_refused(kind: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    assert read_all(path) == {"refused"}


def dicom_elements() -> st.SearchStrategy[dict[str, object]]:
    """Elements that contradict the pixels."""
    numbers = st.integers(0, 65535)
    words = st.sampled_from(["RGB", "MONOCHROME1", "PALETTE COLOR", "YBR_FULL_422", "YBR_RCT", "HSV", ""])
    decimals = st.sampled_from(["0", "1", "-1", "1e30", "-3.5", "1e-30"])
    return st.fixed_dictionaries(
        {},
        optional={
            "Rows": numbers, "Columns": numbers, "BitsAllocated": numbers, "BitsStored": numbers, "HighBit": numbers,
            "SamplesPerPixel": st.integers(0, 5), "PixelRepresentation": st.integers(0, 3),
            "PlanarConfiguration": st.integers(0, 3), "PhotometricInterpretation": words,
            "NumberOfFrames": st.sampled_from(["0", "1", "2", "-1"]), "WindowCenter": decimals, "WindowWidth": decimals,
            "VOILUTFunction": st.sampled_from(["LINEAR", "SIGMOID", "LINEAR_EXACT", "OTHER"]),
            "RescaleSlope": decimals, "RescaleIntercept": decimals,
        },
    )  # fmt: skip


@fuzzed
@given(elements=dicom_elements())
def test_dicom_elements_that_contradict_each_other(
    tmp_path: Path, dicom: Callable[..., Path], elements: dict[str, object]
) -> None:
    read_all(dicom(tmp_path / "a.dcm", PIXELS[..., 0].astype(np.uint16), **elements))


@fuzzed
@given(sides=st.lists(st.integers(-3, 40_000), min_size=8, max_size=8), code=st.integers(0, 2400), slope=st.floats())
def test_nifti_headers_that_lie(
    tmp_path: Path, whole: dict[str, bytes], sides: list[int], code: int, slope: float
) -> None:
    content = bytearray(whole["nii"])
    content[40:56] = struct.pack("<8h", *(side % 32768 for side in sides))
    content[70:72] = struct.pack("<h", code)
    content[112:116] = struct.pack("<f", slope) if abs(slope) < 1e38 else b"\xff" * 4
    (tmp_path / "a.nii").write_bytes(bytes(content))
    read_all(tmp_path / "a.nii")


TABLES = st.text(alphabet=st.sampled_from(list('case_idlabelgroup,;\t\n\r" 0aé\ufeff\0\x1b=')), max_size=120)


@fuzzed
@given(text=TABLES | st.text(max_size=80), header=st.booleans())
def test_any_table_gives_labels_or_problems(tmp_path: Path, text: str, header: bool) -> None:
    first = "case_id,label\n" if header else ""
    (tmp_path / "labels.csv").write_text(first + text, encoding="utf-8", errors="ignore")
    images = {"a": Found(tmp_path / "a.png", ""), "é": Found(tmp_path / "é.png", "")}
    found, problems = labels.read(tmp_path, Settings(), images)
    assert set(found) <= set(images)
    assert len(found) == 2 or problems
    assert all(str(problem).isprintable() for problem in problems)


def yaml_texts() -> Iterator[str]:
    yield from Settings.model_fields
    yield from ("&a", "*a", "!!timestamp x", "0x_", "1e999", ".nan", "[", "{", "}", ": ", "\n", "  ", "- ", "'", "|")


@fuzzed
@given(st.lists(st.sampled_from(list(yaml_texts())), max_size=14).map("".join) | st.text(max_size=60))
def test_any_dataset_yaml_is_settings_or_problems(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.yaml").write_text(text, encoding="utf-8", errors="ignore")
    problems = problems_of(lambda: load_settings(tmp_path))
    assert all(str(problem).isprintable() for problem in problems)


@given(st.text(alphabet=st.sampled_from(list("ab(|)*+?{}[]\\1^$.,0-9<>P=!:")), max_size=30))
def test_any_expression_is_compiled_or_refused(text: str) -> None:
    try:
        patterns.check(text)
    except ValueError:
        return
    assert all("done in a moment" in str(problem) for problem in problems_of(lambda: patterns.find(text, "ab" * 20)))


@given(st.text(max_size=200))
def test_a_safe_name_can_be_a_file_on_any_system(name: str) -> None:
    assert printable(name).isprintable()
    if unsafe(name) is None:
        assert name.isprintable()
        assert not set(name) & set('/\\:*?"<>|')
        assert name == name.strip(" .") or name.lstrip(" ")[0] != "."
        assert 0 < len(name.encode()) <= 120


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20)))
def test_any_file_names_give_cases_or_problems(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    root = tmp_path_factory.mktemp("any")
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    (root / "images").mkdir()
    for name in names:
        if name not in (".", ".."):
            (root / "images" / f"{name}.png").write_bytes(stream.getvalue())
    problems = problems_of(lambda: first_look.write(root, force=True))
    cases, more = datasets.opened("folder", root)[0].check(root)
    assert all(unsafe(case.id) is None for case in cases)
    assert all(str(problem).isprintable() for problem in (*problems, *more))
