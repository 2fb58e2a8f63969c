"""Further forms of an answer, written where they are asked for: each for the kind of file that it is an answer to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from cvs_med.decoding import nifti
from cvs_med.errors import RunError, fault
from cvs_med.images import Kind, kind_of
from cvs_med.prediction import dicom_objects
from cvs_med.prediction.answers import Row
from cvs_med.prediction.dicom_objects import Origin
from cvs_med.tables import write_bytes
from cvs_med.types import Array, Reading

Form: TypeAlias = Literal["dicom-seg", "dicom-sr", "nifti"]
FORMS: tuple[Form, ...] = get_args(Form)

_NIFTI = "label_map.nii.gz"
_SOURCE: dict[Form, Kind] = {"dicom-seg": "dicom", "dicom-sr": "dicom", "nifti": "nifti"}
_TITLES: dict[Kind | None, str] = {"dicom": "DICOM", "nifti": "NIfTI", "raster": "PNG, JPEG, TIFF, BMP or WebP"}


@dataclass(frozen=True, slots=True)
class Forms:
    """What is written beside the pictures.

    Attributes:
        asked: which forms.
        origin: what makes the answers.
        reading: which slice of a volume was looked at.
    """

    asked: Sequence[Form]
    origin: Origin
    reading: Reading

    def require(self, path: Path) -> None:
        """Look whether a file can be answered to in a form that was asked for.

        Raises:
            DataError: it is of another kind, or a DICOM file that belongs to no study.
        """
        kind = kind_of(path)
        if self.asked and not self._of(kind):
            expected = " or ".join(sorted({_TITLES[_SOURCE[form]] for form in self.asked}))
            expected += f" for --write {' and '.join(self.asked)}"
            remedy = "Leave --write out, or give the file that the archive holds."
            raise fault(path, expected, _TITLES.get(kind, "another kind of file"), remedy)
        if kind == "dicom" and self._of(kind):
            dicom_objects.source(path)

    def write(self, folder: Path, path: Path, row: Row, labels: Array | None) -> None:
        """Write the forms for a file; a flagged one gets none that names a diagnosis to an archive.

        Args:
            folder: of the photograph's answers.
            path: the file.
            row: its answer.
            labels: its label map (H, W); None for a method without one.

        Raises:
            DataError: the file lacks what a form needs.
            RunError: the method has no map to write.
        """
        for form in self._of(kind_of(path)):
            if form == "dicom-sr":
                if not row.flags:
                    write_bytes(folder / dicom_objects.REPORT, dicom_objects.report(path, row, self.origin))
            elif labels is None:
                raise RunError(f"Expected a method with a map for --write {form}, found one without. Leave it out.")
            elif form == "nifti":
                write_bytes(folder / _NIFTI, nifti.placed(path, self.reading, labels))
            elif not row.flags:
                write_bytes(
                    folder / dicom_objects.SEGMENTATION, dicom_objects.segmentation(path, labels, self.origin)
                )

    def _of(self, kind: Kind | None) -> list[Form]:
        return [form for form in self.asked if _SOURCE[form] == kind]


def of(asked: Sequence[Form], origin: Origin, reading: Reading) -> Forms:
    """Put together what was asked for, each form once.

    Raises:
        CvsMedError: a library for it is missing.
    """
    if any(form.startswith("dicom") for form in asked):
        dicom_objects.require_highdicom()
    return Forms([form for form in FORMS if form in asked], origin, reading)
