"""What goes back to an archive names its patient; nothing else that is written does."""

import gzip
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from click.testing import CliRunner
from highdicom.seg import segread
from PIL import Image
from pydicom.uid import generate_uid

from cvs_med.cli import main
from cvs_med.decoding import nifti
from cvs_med.errors import DataError, RunError
from cvs_med.prediction import dicom_objects, ensemble, files, forms, gate_file, stream
from cvs_med.prediction.answers import Row
from cvs_med.prediction.dicom_objects import Origin
from cvs_med.prediction.stream import Summary
from cvs_med.types import Reading

NAMES = ["healthy", "diabetic retinopathy", "glaucoma"]
ORIGIN = Origin(NAMES, "ab" * 32)
LABELS = np.zeros((40, 60), np.uint8)
LABELS[5:10], LABELS[20:30, 10:] = 1, 3
ROW = Row("a", "", "derived", "glaucoma", (0.1, 0.2, 0.7), (0.1,) * 3, (0.7,) * 3, 1, 1, 0.7, ())
PLANTED = {
    "PatientName": "Planted^Paula", "PatientID": "PLANTED-4711", "PatientBirthDate": "19010203",
    "InstitutionName": "Planted Hospital", "AccessionNumber": "PLANTED-ACC", "StudyDescription": "planted words",
}  # fmt: skip
WORDS = [b"Planted", b"PLANTED", b"planted", b"19010203"]


class Deaf:
    """A watcher that hears nothing."""

    def counted(self, done: int, total: int) -> None:
        """Hear nothing."""


@pytest.fixture
def known(dicom: Callable[..., Path]) -> Callable[..., Path]:
    """Write a DICOM photograph that an archive knows, with planted identifiers."""

    def write(path: Path, pixels: np.ndarray, **elements: object) -> Path:
        uids = {name: generate_uid(entropy_srcs=[name]) for name in ("StudyInstanceUID", "SeriesInstanceUID")}
        return dicom(path, pixels, **(uids | {"Modality": "OP"} | PLANTED | elements))

    return write


@pytest.fixture
def source(known: Callable[..., Path], tmp_path: Path) -> Path:
    return known(tmp_path / "source.dcm", np.zeros((40, 60, 3), np.uint8))


def answer(run: Path, given: Path, out: Path, *write: forms.Form, closed: bool = False) -> Summary:
    """Predict with gates that stop everything or nothing."""
    networks = ensemble.read(run, device=torch.device("cpu"))
    gates = gate_file.of_run(run, networks, lambda done, total: None)
    ends = {"low": np.full(7, -np.inf), "high": np.full(7, np.inf), "limit": np.array([0.0 if closed else np.inf])}
    found = files.find([given], out)
    return stream.predict(networks, replace(gates, **ends), found, out, watcher=Deaf(), write=write)


def searched(folder: Path, *, but: tuple[str, ...] = ()) -> None:
    """Look for planted words in every byte of every file, also of archives."""
    looked = 0
    for path in (path for path in folder.rglob("*") if path.is_file() and path.name not in but):
        looked += 1
        assert not any(word in path.read_bytes() for word in WORDS), path
    assert looked


@pytest.mark.parametrize("kind", ["1.2.840.10008.5.1.4.1.1.77.1.5.1", "1.2.840.10008.5.1.4.1.1.6.1"])
def test_a_segmentation_comes_back_as_it_was_given(known: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    path = known(tmp_path / "a.dcm", np.zeros((40, 60, 3), np.uint8), SOPClassUID=kind)
    (tmp_path / "seg.dcm").write_bytes(dicom_objects.segmentation(path, LABELS, ORIGIN))
    found, image = segread(tmp_path / "seg.dcm"), pydicom.dcmread(path)
    assert [found.get_segment_description(number).segment_label for number in (1, 2, 3)] == NAMES
    maps = found.get_pixels_by_source_instance([image.SOPInstanceUID], combine_segments=True)
    np.testing.assert_array_equal(maps[0], LABELS)
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
        assert found[name].value == image[name].value
    assert "PixelMeasuresSequence" not in found.SharedFunctionalGroupsSequence[0]


def test_the_size_of_a_pixel_is_kept(known: Callable[..., Path], tmp_path: Path) -> None:
    path = known(tmp_path / "a.dcm", np.zeros((40, 60, 3), np.uint8), PixelSpacing=[0.5, 0.25])
    (tmp_path / "seg.dcm").write_bytes(dicom_objects.segmentation(path, LABELS, ORIGIN))
    (shared,) = pydicom.dcmread(tmp_path / "seg.dcm").SharedFunctionalGroupsSequence
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [0.5, 0.25]


def test_a_report_holds_the_class_and_the_probabilities(source: Path, tmp_path: Path) -> None:
    (tmp_path / "sr.dcm").write_bytes(dicom_objects.report(source, ROW, ORIGIN))
    found = pydicom.dcmread(tmp_path / "sr.dcm")
    assert (found.Modality, found.PatientID) == ("SR", "PLANTED-4711")
    shares, meanings = {}, set()
    for item in (element for element in found.iterall() if element.keyword == "ContentSequence"):
        for content in item.value:
            if content.ValueType == "NUM":
                value = float(content.MeasuredValueSequence[0].NumericValue)
                shares[content.ConceptNameCodeSequence[0].CodeMeaning] = value
            elif content.ValueType == "CODE":
                meanings.add(content.ConceptCodeSequence[0].CodeMeaning)
    assert shares == {f"Probability of {name}": share for name, share in zip(NAMES, ROW.probabilities, strict=True)}
    assert "glaucoma" in meanings


def test_an_object_of_the_same_answer_has_the_same_name(source: Path) -> None:
    made = (pydicom.dcmread(io.BytesIO(dicom_objects.report(source, ROW, ORIGIN))) for _ in range(2))
    first, second = (report.SOPInstanceUID for report in made)
    assert first == second
    others = (
        (replace(ROW, probabilities=(0.1, 0.21, 0.69)), ORIGIN), (ROW, Origin(NAMES, "cd" * 32)),
        (ROW, Origin(["well", *NAMES[1:]], ORIGIN.identity)),
    )  # fmt: skip
    for row, origin in others:
        assert pydicom.dcmread(io.BytesIO(dicom_objects.report(source, row, origin))).SOPInstanceUID != first


def test_another_label_map_has_another_name(source: Path) -> None:
    names = {
        pydicom.dcmread(io.BytesIO(dicom_objects.segmentation(source, labels, ORIGIN))).SOPInstanceUID
        for labels in (LABELS, LABELS, np.where(LABELS == 3, 2, LABELS).astype(np.uint8))
    }
    assert len(names) == 2


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("codes", ["LPS", "RAS", "SPL"])
def test_a_label_map_lies_where_its_slice_does(plane: str, codes: str, tmp_path: Path) -> None:
    """The slice that is looked at, marked by its own values, comes back to the same place in space."""
    volume = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    image = nibabel.Nifti1Image(volume, np.array([[2, 0, 0, 3], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1.0]]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    nibabel.save(image.as_reoriented(turn), tmp_path / "a.nii.gz")
    reading = Reading(plane=plane, slice=1)  # type: ignore[arg-type] # one of three
    shown = np.asarray(nifti.values(tmp_path / "a.nii.gz", reading, 1000), dtype=np.uint8)
    placed = nibabel.Nifti1Image.from_bytes(gzip.decompress(nifti.placed(tmp_path / "a.nii.gz", reading, shown)))
    values = np.asarray(placed.dataobj)
    assert values.size == shown.size
    inverse = np.linalg.inv(image.affine)
    for index in np.ndindex(values.shape):
        where = inverse @ placed.affine @ [*index, 1]
        assert volume[tuple(np.rint(where[:3]).astype(int))] == values[index]


def test_identifiers_reach_the_dicom_objects_and_nothing_else(
    run: Path, phantom_folder: Path, known: Callable[..., Path], tmp_path: Path
) -> None:
    given, out = tmp_path / "given", tmp_path / "out"
    given.mkdir()
    with Image.open(next((phantom_folder / "images").iterdir())) as image:
        known(given / "a.dcm", np.asarray(image.convert("RGB")))
    assert answer(run, given, out, "dicom-seg", "dicom-sr") == Summary(derived=1, flagged=0, failed=0)
    folder = out / "photographs" / "a.dcm"
    for name in (dicom_objects.SEGMENTATION, dicom_objects.REPORT):
        assert pydicom.dcmread(folder / name).PatientID == "PLANTED-4711"
    searched(out, but=(dicom_objects.SEGMENTATION, dicom_objects.REPORT))
    searched(run)
    with Image.open(folder / "label_map.png") as drawn:
        labels = np.asarray(drawn)
    found = segread(folder / dicom_objects.SEGMENTATION)
    uid = pydicom.dcmread(given / "a.dcm").SOPInstanceUID
    if labels.any():
        maps = found.get_pixels_by_source_instance([uid], combine_segments=True, skip_overlap_checks=True)
        np.testing.assert_array_equal(maps[0], labels)


def test_identifiers_of_a_photograph_reach_no_answer_and_no_run(
    run: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    given = tmp_path / "Planted Paula"
    given.mkdir()
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Planted words", "PLANTED-4711"
    with Image.open(next((phantom_folder / "images").iterdir())) as image:
        image.convert("RGB").save(given / "a.jpg", exif=exif)
    assert any(word in (given / "a.jpg").read_bytes() for word in WORDS)
    (given / "b.jpg").write_bytes((given / "a.jpg").read_bytes()[:300])
    said = CliRunner().invoke(main, ["predict", str(given), "--run", str(run), "--out", str(tmp_path / "out")]).output
    assert not any(word.decode() in said.replace(str(tmp_path), "") for word in WORDS)
    searched(tmp_path / "out")
    searched(run)


def test_a_flagged_photograph_goes_to_no_archive(
    run: Path, phantom_folder: Path, known: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "given").mkdir()
    with Image.open(next((phantom_folder / "images").iterdir())) as image:
        known(tmp_path / "given" / "a.dcm", np.asarray(image.convert("RGB")))
    out = tmp_path / "out"
    assert answer(run, tmp_path / "given", out, "dicom-seg", "dicom-sr", closed=True).flagged == 1
    assert not list(out.rglob("*.dcm/*.dcm"))


def test_what_cannot_be_answered_to_in_a_form_is_named(
    run: Path, photographs: Path, dicom: Callable[..., Path], tmp_path: Path
) -> None:
    dicom(photographs / "of no study.dcm", np.zeros((40, 60, 3), np.uint8))
    assert answer(run, photographs, tmp_path / "out", "dicom-seg").failed == 4
    said = (tmp_path / "out" / "failures.csv").read_text(encoding="utf-8")
    assert "expected DICOM for --write dicom-seg, found PNG" in said
    assert "none of StudyInstanceUID, SeriesInstanceUID, Modality" in said


def test_a_method_without_a_map_writes_none(
    finished: Callable[..., Path], known: Callable[..., Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished("method=classification", "loss.class_weight=1"), tmp_path / "run"))
    (tmp_path / "given").mkdir()
    known(tmp_path / "given" / "a.dcm", np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(RunError, match="a method with a map"):
        answer(run, tmp_path / "given", tmp_path / "out", "dicom-seg")


def test_a_damaged_file_is_refused_without_its_words(source: Path) -> None:
    source.write_bytes(source.read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        dicom_objects.segmentation(source, LABELS, ORIGIN)
    assert "lanted" not in str(caught.value)
