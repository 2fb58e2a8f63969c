"""A label map as DICOM Segmentation, an answer as DICOM Structured Report, for the archive that the image came from.

By the standard both carry the patient and the study of their source: an archive files them by these. So they are
written only where they are asked for, for DICOM sources alone; nothing else that is written knows whose image it was.
No words of pydicom's or highdicom's, which may quote an element, are passed on.
"""

import hashlib
import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from cvs_med.errors import CvsMedError, DataError, fault
from cvs_med.prediction.answers import Row
from cvs_med.types import Array

SEGMENTATION: Final = "segmentation.dcm"
REPORT: Final = "report.dcm"
_SCHEME: Final = "99CVSMED"
"""Our own codes: a data set's classes have none in SNOMED CT that we could know of."""
_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns")
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """What made an answer.

    Attributes:
        class_names: in the order of the probabilities.
        identity: a digest of the networks' files.
    """

    class_names: Sequence[str]
    identity: str


def require_highdicom() -> None:
    """Look whether the library is there.

    Raises:
        CvsMedError: it is not.
    """
    try:
        import highdicom  # noqa: F401 - only looked for
    except ImportError as error:
        raise CvsMedError("Expected highdicom to write DICOM, found none. Install cvs-med[dicom].") from error


def source(path: Path) -> Any:  # noqa: ANN401 - pydicom's elements have no types
    """Read all of a DICOM file but its pixels.

    Raises:
        DataError: it does not say to which study, series and object it belongs.
    """
    import pydicom

    with warnings.catch_warnings(action="ignore"):
        try:
            file = pydicom.dcmread(path, stop_before_pixels=True)
            missing = [name for name in _REQUIRED if not file.get(name)]
            for name in _MAY_BE_EMPTY:
                if name not in file:
                    setattr(file, name, "")
            if "NumberOfFrames" not in file:
                file.NumberOfFrames = 1
        except Exception:  # Damaged files lead pydicom to almost any kind of exception; its words may quote an element.
            raise fault(path, "a whole DICOM file", "damage", "Copy the file again from its source.") from None
    if missing:
        remedy = "Leave --write out, or export the image from its archive again."
        raise fault(path, "a DICOM file that an archive knows", f"none of {', '.join(missing)}", remedy)
    return file


def segmentation(path: Path, labels: Array, origin: Origin) -> bytes:
    """Give a DICOM Segmentation of one image: a binary segment a class that occurs.

    Args:
        path: the DICOM file of the image (H, W).
        labels: (H, W), 0 is background and c + 1 is class c.
        origin: what made it.

    Raises:
        DataError: the file does not say what a segmentation needs.
    """
    return _written(path, lambda image: _segmentation(image, labels, origin))


def report(path: Path, row: Row, origin: Origin) -> bytes:
    """Give a DICOM Structured Report (template TID 1500): the derived class and all probabilities.

    Args:
        path: the DICOM file of the image.
        row: the answer, not flagged.
        origin: what made it.

    Raises:
        DataError: the file does not say what a report needs.
    """
    return _written(path, lambda image: _report(image, row, origin))


def _written(path: Path, make: Callable[[Any], Any]) -> bytes:
    logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
    image, stream = source(path), io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        try:
            make(image).save_as(stream)
        except Exception:  # See `source`.
            raise _unfit(path) from None
    return stream.getvalue()


def _unfit(path: Path) -> DataError:
    remedy = "Leave --write out, or export the image from its archive again."
    return fault(path, "elements that a new DICOM object can refer to", "others, or damage", remedy)


def _segmentation(image: Any, labels: Array, origin: Origin) -> Any:  # noqa: ANN401 - see `source`
    import highdicom
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="cvs-med", family=codes.DCM.ArtificialIntelligence, version=version("cvs-med")
    )
    segments = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name[:64],
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=_code(number, name),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(origin.class_names, start=1)
    ]
    measured = _add_measures(image)
    made = highdicom.seg.Segmentation(
        source_images=[image],
        pixel_array=labels[None],
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_description="Derived label map; for research",
        **_identified(image, origin, "segmentation", 900, labels.tobytes()),
    )
    if not measured and "PixelMeasuresSequence" in made.SharedFunctionalGroupsSequence[0]:
        del made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    return made


def _add_measures(image: Any) -> bool:  # noqa: ANN401 - see `source`
    """Say the size of a pixel where highdicom looks for it; false if it is not known, and what is said stands in.

    It takes every kind of image that may have several frames for one of the enhanced kinds. A photograph of the eye is
    none: it has no functional groups, and may not know the size of its pixels at all.
    """
    from highdicom import PixelMeasuresSequence
    from pydicom.dataset import Dataset

    if "SharedFunctionalGroupsSequence" in image:
        return True
    shared, spacing = Dataset(), image.get("PixelSpacing")
    shared.PixelMeasuresSequence = PixelMeasuresSequence(spacing or (1, 1), image.get("SliceThickness") or None)
    image.SharedFunctionalGroupsSequence = [shared]
    return bool(spacing)


def _report(image: Any, row: Row, origin: Origin) -> Any:  # noqa: ANN401 - see `source`
    import highdicom
    from highdicom import sr
    from pydicom.sr.codedict import codes

    identified = _identified(image, origin, "report", 901, repr((row.derived, row.probabilities)).encode())
    device = sr.DeviceObserverIdentifyingAttributes(uid=_uid(origin.identity), name="cvs-med")
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    names = list(enumerate(origin.class_names, start=1))
    finding = sr.QualitativeEvaluation(codes.DCM.Finding, dict(_codes(names))[row.derived or ""])
    probabilities = [
        sr.Measurement(
            name=sr.CodedConcept(f"probability-{number}", _SCHEME, f"Probability of {name}"[:64]),
            value=share,
            unit=codes.UCUM.NoUnits,
        )
        for (number, name), share in zip(names, row.probabilities, strict=True)
    ]
    found = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=_uid(identified["sop_instance_uid"]), identifier="image"),
        source_images=[sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)],
        qualitative_evaluations=[finding],
        measurements=probabilities,
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[found],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return highdicom.sr.ComprehensiveSR(
        evidence=[image],
        content=content,
        series_description="Derived diagnosis; for research",
        is_complete=True,
        **identified,
    )


def _codes(names: Sequence[tuple[int, str]]) -> list[tuple[str, Any]]:
    return [(name, _code(number, name)) for number, name in names]


def _code(number: int, name: str) -> Any:  # noqa: ANN401 - see `source`
    from highdicom.sr import CodedConcept

    return CodedConcept(f"class-{number}", _SCHEME, name[:64])


def _identified(
    image: Any,  # noqa: ANN401 - see `source`
    origin: Origin,
    kind: str,
    series: int,
    answer: bytes,
) -> dict[str, Any]:
    """Name a new object.

    The same answer to the same source by the same networks has the same name, so that an archive keeps it once; another
    answer, as another precision or version may give, never has.
    """
    made = (origin.identity, *origin.class_names, version("cvs-med"), hashlib.sha256(answer).hexdigest())
    return {
        "series_instance_uid": _uid(image.SeriesInstanceUID, origin.identity, kind),
        "series_number": series,
        "sop_instance_uid": _uid(image.SOPInstanceUID, kind, *made),
        "instance_number": 1,
        "manufacturer": "cvs-med",
        "manufacturer_model_name": "cvs-med",
        "software_versions": version("cvs-med"),
        "device_serial_number": origin.identity[:16],
    }


def _uid(*sources: str) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[str(source) for source in sources]))
