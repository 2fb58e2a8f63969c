"""DICOM by pydicom: one frame, with its modality LUT, its VOI LUT or window, and its photometric interpretation.

Only the elements that make the picture are read from a file. What names a person is skipped where it stands, and no
words of pydicom's, which may quote an element, are passed on.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvs_med.decoding.scaling import Values, stretch, to_eight_bits
from cvs_med.errors import DataError, fault
from cvs_med.types import Array, Reading

SUFFIXES = (".dcm", ".dicom", ".ima")

_HEADER = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept",
    "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip
_PIXELS = ("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths")
_KINDS = (
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420",
    "YBR_ICT", "YBR_RCT",
)  # fmt: skip
_GREY = ("MONOCHROME1", "MONOCHROME2")
_DEFLATED = "1.2.840.10008.1.2.1.99"

_PLUGINS = (
    "Install the plugins that read it (python-gdcm; pylibjpeg with pylibjpeg-openjpeg) by "
    "`pip install 'cvs-med[dicom]'`, or export the image uncompressed."
)


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark behind its first 128 bytes, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def shape(path: Path) -> tuple[int, int, int, str]:
    """Give rows, columns, bits and photometric interpretation, without decoding pixels.

    Raises:
        DataError: as `picture`.
    """
    header = _header(path, None)
    kind = str(header.PhotometricInterpretation)
    # Whatever else may stand there is not passed on.
    return int(header.Rows), int(header.Columns), int(header.BitsStored), kind if kind in _KINDS else "other"


def picture(path: Path, reading: Reading, most: int) -> Array:
    """Decode a file as it is meant to be shown.

    Args:
        path: the file.
        reading: its window, if any, takes the place of the file's own.
        most: pixels that may be decoded.

    Returns:
        (H, W) or (H, W, 3), 8 bits.

    Raises:
        DataError: no DICOM, no pixels, several frames, too large, damaged, or compressed in a way that nothing
            installed here can read.
    """
    _header(path, most)
    try:
        file = _read(path, (*_HEADER, *_PIXELS), pixels=True)
        shown = _shown(file, reading)
        sides = (int(file.Rows), int(file.Columns))
    except Exception:  # Damaged files lead pydicom to almost any kind of exception; its words may quote an element.
        raise _damaged(path) from None
    if shown.shape not in (sides, (*sides, 3)):  # More pixels than one frame has are given out as several.
        raise _damaged(path)
    return shown


def _shown(file: Any, reading: Reading) -> Array:  # noqa: ANN401 - pydicom's elements have no types
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    pixels = file.pixel_array
    kind = file.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        coloured = apply_color_lut(pixels, file)
        return _upper_eight(coloured, 8 * coloured.itemsize)
    if kind not in _GREY:
        return _upper_eight(pixels, int(file.BitsStored))
    # An identity would still turn 8 bits into fractions, which are stretched; so it is left out.
    values = pixels if _unscaled(file) else apply_modality_lut(pixels, file)
    grey = to_eight_bits(values, reading.window) if reading.window else _windowed(values, file)
    return np.asarray(255 - grey if kind == "MONOCHROME1" else grey, dtype=np.uint8)


def _windowed(values: Values, file: Any) -> Array:  # noqa: ANN401 - see `_shown`
    """Apply the file's VOI LUT or window; without one, stretch the values unless they fill 8 bits as they are."""
    from pydicom.pixels.processing import apply_voi, apply_windowing

    with np.errstate(all="ignore"):  # The sigmoid of a far value overflows to what it should be.
        if file.get("VOILUTSequence"):
            bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
            return stretch(apply_voi(values, file), 0, 2**bits - 1)
        if _has_window(file):
            # What becomes of the lowest and the highest value is the range that the window is shown in.
            low, high = apply_windowing(np.array([-1e12, 1e12]), file)
            return stretch(apply_windowing(values, file), float(low), float(high))
    return _upper_eight(values, int(file.BitsStored)) if values.dtype == np.uint8 else to_eight_bits(values)


def _unscaled(file: Any) -> bool:  # noqa: ANN401 - see `_shown`
    slope, intercept = file.get("RescaleSlope"), file.get("RescaleIntercept")
    return not file.get("ModalityLUTSequence") and slope in (None, 1) and intercept in (None, 0)


def _has_window(file: Any) -> bool:  # noqa: ANN401 - see `_shown`
    """Say whether the file has a window that shows something: one or several widths, the first above zero."""
    centre, width = file.get("WindowCenter"), file.get("WindowWidth")
    if centre is None or width is None:
        return False
    first = width[0] if isinstance(width, Sequence) else width
    return float(first) > 0


def _upper_eight(colours: Values, bits: int) -> Array:
    return colours.astype(np.uint8) if bits == 8 else stretch(colours, 0, 2**bits - 1)


def _header(path: Path, most: int | None) -> Any:  # noqa: ANN401 - see `_shown`
    """Read what is said of the pixels, and refuse before they are decoded what cannot be."""
    try:
        file = _read(path, _HEADER, pixels=False)
        facts = [file.get(name) for name in ("Rows", "Columns", "BitsStored", "BitsAllocated", "SamplesPerPixel")]
        frames = int(file.get("NumberOfFrames") or 1)
        numbers = [int(fact) for fact in facts if fact is not None]
        syntax = file.file_meta.TransferSyntaxUID
    except DataError:
        raise
    except PermissionError:
        raise fault(path, "a readable file", "no permission to read it", "Allow reading, e.g. chmod u+r.") from None
    except Exception:  # See `picture`.
        raise _damaged(path) from None
    if not numbers:
        remedy = "Take the file out: it is a report, a plan or a link, not a picture."
        raise fault(path, "DICOM with pixels", "none", remedy)
    if len(numbers) < len(facts) or min(numbers) < 1 or "PhotometricInterpretation" not in file:
        raise _damaged(path)
    if frames != 1:
        raise fault(path, "one frame", f"{frames}", "Export the frame that shows the finding as a file of its own.")
    if most is not None and numbers[0] * numbers[1] > most:
        raise fault(path, f"at most {most // 1_000_000} million pixels", "more", "Scale the image down.")
    _require_decoder(path, syntax)
    return file


def _require_decoder(path: Path, syntax: Any) -> None:  # noqa: ANN401 - pydicom's UID
    """Refuse a transfer syntax that nothing installed here decodes."""
    from pydicom.pixels.decoders.base import get_decoder

    try:
        able = not syntax.is_compressed or get_decoder(syntax).is_available
        name = str(syntax.name) if syntax.is_transfer_syntax and not syntax.is_private else "an unknown form"
    except Exception:  # An unknown syntax: its number is not said, since it may be anything.
        able, name = False, "an unknown form"
    if not able:
        raise fault(path, "pixels that can be decoded here", f"them compressed as {name}", _PLUGINS)


def _read(path: Path, names: tuple[str, ...], *, pixels: bool) -> Any:  # noqa: ANN401 - see `_shown`
    import pydicom  # Slow to import, and needed for these files alone.
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"(pydicom|cvs_med\.decoding\.dicom)\b")
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == _DEFLATED:  # pydicom would unwrap all of it, to any size.
        raise fault(path, "a file that is not deflated", "a deflated one", "Export the image uncompressed.")
    return pydicom.dcmread(path, specific_tags=list(names), stop_before_pixels=not pixels)


def _damaged(path: Path) -> DataError:
    remedy = "Copy the file again from its source; it is damaged or incomplete."
    return fault(path, "a whole DICOM file", "another format, or damage", remedy)
