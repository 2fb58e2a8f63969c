from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from cvs_med.errors import DataError
from cvs_med.images import kind_of, read_header, read_image
from cvs_med.types import OwnFile, Reading

Write = Callable[..., Path]
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)


def grey(path: Path, reading: Reading | None = None) -> np.ndarray:
    pixels = read_image(OwnFile(path, reading or Reading()))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
    return pixels[..., 0]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_image(OwnFile(path))
    (problem,) = caught.value.problems
    return str(problem)


def test_eight_bits_are_shown_as_they_are(tmp_path: Path, dicom: Write) -> None:
    path = dicom(tmp_path / "a.dcm", RAMP)
    np.testing.assert_array_equal(grey(path), RAMP)
    header = read_header(OwnFile(path))
    assert (header.width, header.height, header.bits, header.mode) == (16, 16, 8, "MONOCHROME2")


def test_colour_is_shown_as_it_is(tmp_path: Path, dicom: Write) -> None:
    np.testing.assert_array_equal(read_image(OwnFile(dicom(tmp_path / "a.dcm", COLOURS))), COLOURS)


def test_monochrome1_is_the_negative(tmp_path: Path, dicom: Write) -> None:
    path = dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(grey(path), 255 - RAMP)


def test_luminance_and_chrominance_become_colours(tmp_path: Path, dicom: Write) -> None:
    # Luminance alone, chrominance at its middle: grey.
    pixels = np.full((4, 4, 3), 128, dtype=np.uint8)
    pixels[..., 0] = np.arange(16).reshape(4, 4) * 16
    path = dicom(tmp_path / "a.dcm", pixels, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_array_equal(grey(path), pixels[..., 0])


def test_a_palette_gives_its_colours(tmp_path: Path, dicom: Write) -> None:
    tables = {}
    for place, name in enumerate(("Red", "Green", "Blue")):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        entries = (np.roll(np.arange(256), 50 * place) * 257).astype("<u2")
        tables[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    path = dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="PALETTE COLOR", **tables)
    expected = np.stack([np.roll(np.arange(256), 50 * place)[RAMP] for place in range(3)], axis=-1)
    np.testing.assert_array_equal(read_image(OwnFile(path)), expected)


@pytest.mark.parametrize("stored", [12, 16])
def test_a_window_in_hounsfield_units_is_applied_after_the_rescaling(tmp_path: Path, dicom: Write, stored: int) -> None:
    units = np.array([[-1000, -160, 40, 240, 1000]])
    path = dicom(
        tmp_path / "ct.dcm", (units + 1024).astype(np.uint16), BitsStored=stored, HighBit=stored - 1,
        RescaleSlope="1", RescaleIntercept="-1024", WindowCenter="40", WindowWidth="400",
    )  # fmt: skip
    shown = grey(path)[0].tolist()
    assert (shown[0], shown[1], shown[3], shown[4]) == (0, 0, 255, 255)
    assert 126 <= shown[2] <= 129


def test_a_window_of_dataset_yaml_takes_the_place_of_the_file_s(tmp_path: Path, dicom: Write) -> None:
    path = dicom(tmp_path / "a.dcm", np.array([[0, 500, 1000]], dtype=np.int16), WindowCenter="40", WindowWidth="400")
    assert grey(path, Reading(window=(500, 1000))).tolist() == [[0, 128, 255]]


def test_a_sigmoid_window_is_smooth(tmp_path: Path, dicom: Write) -> None:
    values = np.array([[-30_000, 0, 30_000]], dtype=np.int16)
    path = dicom(tmp_path / "a.dcm", values, WindowCenter="0", WindowWidth="400", VOILUTFunction="SIGMOID")
    assert grey(path).tolist() == [[0, 128, 255]]


def test_a_table_of_grey_values_is_applied(tmp_path: Path, dicom: Write) -> None:
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = (65535 - 257 * np.arange(256)).astype("<u2").tolist()
    table["LUTData"].VR = "US"
    path = dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=Sequence([table]))
    np.testing.assert_array_equal(grey(path), 255 - RAMP)


def test_sixteen_bits_without_a_window_are_stretched(tmp_path: Path, dicom: Write) -> None:
    values = np.linspace(1000, 1800, 400).astype(np.uint16).reshape(20, 20)
    shown = grey(dicom(tmp_path / "a.dcm", values))
    assert (shown.min(), shown.max()) == (0, 255)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()


def test_big_endian_reads_the_same(tmp_path: Path, dicom: Write) -> None:
    values = (np.arange(64, dtype=np.uint16) * 700).reshape(8, 8)
    big = dicom(tmp_path / "big.dcm", values, ExplicitVRBigEndian)
    np.testing.assert_array_equal(grey(big), grey(dicom(tmp_path / "little.dcm", values)))


def test_a_file_named_by_numbers_is_known_by_its_content(tmp_path: Path, dicom: Write) -> None:
    path = dicom(tmp_path / "1.2.840.113619", RAMP)
    assert kind_of(path) == "dicom"
    np.testing.assert_array_equal(grey(path), RAMP)
    (tmp_path / "1.2.840.1").write_text("something else")
    assert kind_of(tmp_path / "1.2.840.1") is None


def test_what_is_no_picture_is_refused_with_its_remedy(tmp_path: Path, dicom: Write) -> None:
    none = dict.fromkeys(("Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "PixelData"))
    assert "expected DICOM with pixels, found none" in refusal(dicom(tmp_path / "report.dcm", RAMP, **none))
    assert "whole DICOM file" in refusal(dicom(tmp_path / "cut.dcm", RAMP, PixelData=None))
    frames = dicom(tmp_path / "cine.dcm", RAMP, Rows=8, NumberOfFrames="2")
    assert "expected one frame, found 2. Export the frame" in refusal(frames)
    large = dicom(tmp_path / "large.dcm", RAMP, Rows=20_000, Columns=20_000)
    assert "at most 100 million pixels" in refusal(large)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLosslessSV1])
def test_a_missing_plugin_is_named(tmp_path: Path, dicom: Write, monkeypatch: pytest.MonkeyPatch, syntax: str) -> None:
    from pydicom.pixels.decoders import base

    path = dicom(tmp_path / "a.dcm", RAMP, syntax, PixelData=encapsulate([b"\xff\x4f\xff\x51" + bytes(20)]))
    monkeypatch.setattr(base.Decoder, "is_available", property(lambda self: False))
    said = refusal(path)
    assert f"compressed as {syntax.name}" in said  # type: ignore[attr-defined]  # pydicom's UID
    assert "pip install 'cvs-med[dicom]'" in said
    assert "gdcm" in said
    assert "pylibjpeg-openjpeg" in said


def test_jpeg_2000_is_read(tmp_path: Path, dicom: Write) -> None:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(RAMP).save(stream, "JPEG2000", no_jp2=True)
    path = dicom(tmp_path / "a.dcm", RAMP, JPEG2000Lossless, PixelData=encapsulate([stream.getvalue()]))
    np.testing.assert_array_equal(grey(path), RAMP)


def test_a_deflated_file_is_refused_before_it_is_unwrapped(tmp_path: Path, dicom: Write) -> None:
    path = dicom(tmp_path / "a.dcm", RAMP, DeflatedExplicitVRLittleEndian)
    assert "found a deflated one" in refusal(path)


def test_run_length_encoding_is_read(tmp_path: Path, dicom: Write) -> None:
    from pydicom import dcmread

    path = dicom(tmp_path / "a.dcm", RAMP)
    packed = dcmread(path)
    packed.compress(RLELossless, generate_instance_uid=False)
    packed.save_as(path)
    np.testing.assert_array_equal(grey(path), RAMP)
