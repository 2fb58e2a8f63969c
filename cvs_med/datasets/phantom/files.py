"""Writing a case in HRF's layout, each file whole or not at all."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from cvs_med.datasets.phantom.develop import Photograph
from cvs_med.datasets.phantom.scene import RETINOPATHY, Scene
from cvs_med.errors import CvsMedError

CAMERA = "phantom"


def write(out: Path, scene: Scene, photograph: Photograph) -> None:
    """Write photograph, vessel mask and field of view of one case below `out`.

    Raises:
        CvsMedError: a file or folder cannot be written.
    """
    # HRF's own quirk, kept on purpose: only the photographs of retinopathy end in capitals.
    ending = "JPG" if scene.label == RETINOPATHY else "jpg"
    image = Image.fromarray(photograph.image)
    exif, quality = _exif(scene), scene.person.quality
    _place(out / "images" / f"{scene.name}.{ending}", lambda file: image.save(file, "JPEG", quality=quality, exif=exif))
    _place(out / "manual1" / f"{scene.name}.tif", _tiff(photograph.vessels))
    _place(out / "mask" / f"{scene.name}_mask.tif", _tiff(photograph.field_of_view))


def _exif(scene: Scene) -> Image.Exif:
    exif = Image.Exif()
    moment = scene.taken.strftime("%Y:%m:%d %H:%M:%S")
    exif[ExifTags.Base.Make] = CAMERA
    exif[ExifTags.Base.Model] = CAMERA
    exif[ExifTags.Base.DateTime] = moment
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = moment
    return exif


def _tiff(mask: npt.NDArray[np.bool_]) -> Callable[[Path], None]:
    image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return lambda file: image.save(file, "TIFF", compression="tiff_lzw")


def _place(target: Path, save: Callable[[Path], None]) -> None:
    draft = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        save(draft)
        os.replace(draft, target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise CvsMedError(
            f"phantom: expected to write {target}, found: {error.strerror or error}. Free it or choose another folder."
        ) from error
