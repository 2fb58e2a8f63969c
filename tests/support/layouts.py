"""Tiny data sets in the layouts of the real ones, written by the tests."""

import gzip
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

CODES = {"h": "jpg", "dr": "JPG", "g": "jpg"}


def write_fundus(root: Path, cases: int = 2, size: tuple[int, int] = (40, 60), minutes: int | None = 20) -> Path:
    """Write a folder in the layout of HRF.

    Args:
        root: the folder to make.
        cases: number of cases per class.
        size: height and width of the photographs.
        minutes: time between one photograph and the next, over all classes; None writes no EXIF data.
    """
    for folder in ("images", "manual1", "mask"):
        (root / folder).mkdir(parents=True)
    names = [(number, code) for code in CODES for number in range(1, cases + 1)]
    for index, (number, code) in enumerate(names):
        image, vessels, view = draw_eye(index, size)
        exif = Image.Exif()
        if minutes is not None:
            moment = index * minutes
            taken = f"2007:01:02 {8 + moment // 60:02d}:{moment % 60:02d}:00"
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        name = f"{number:02d}_{code}"
        Image.fromarray(image).save(root / "images" / f"{name}.{CODES[code]}", "JPEG", exif=exif, quality=92)
        Image.fromarray(vessels).save(root / "manual1" / f"{name}.tif", compression="packbits")
        colour = Image.fromarray(np.stack([view] * 3, axis=-1))
        colour.save(root / "mask" / f"{name}_mask.tif", compression="tiff_lzw")
    return root


def draw_eye(seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a noisy photograph, a cross of vessels and a round field of view that does not touch the left and right."""
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - height / 2 + 0.5) ** 2 + (columns - width / 2 + 0.5) ** 2 <= (min(size) / 2) ** 2
    cross = (abs(rows - height // 2) <= height // 16) | (abs(columns - width // 2) <= width // 16)
    image = rng.integers(60, 200, (height, width, 3))
    return (
        image.astype(np.uint8),
        ((cross & inside) * 255).astype(np.uint8),
        (inside * 255).astype(np.uint8),
    )


def idx(values: np.ndarray) -> bytes:
    """Pack 8-bit values as MNIST's authors do."""
    return bytes([0, 0, 8, values.ndim]) + b"".join(side.to_bytes(4) for side in values.shape) + values.tobytes()


def write_mnist(root: Path, train: int = 40, test: int = 20, *, wrapped: bool = True) -> Path:
    """Write noisy digits in the layout of MNIST, as many of each class."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for word, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8) * (rng.random((count, 28, 28)) < 0.3)
        labels = np.arange(count, dtype=np.uint8) % 10
        for name, values in ((f"{word}-images-idx3-ubyte", images), (f"{word}-labels-idx1-ubyte", labels)):
            content = idx(values.astype(np.uint8))
            path = root / (f"{name}.gz" if wrapped else name)
            path.write_bytes(gzip.compress(content, mtime=0) if wrapped else content)
    return root


def write_cifar10(root: Path, counts: dict[str, int] | None = None) -> Path:
    """Write squares on plain ground in the layout of CIFAR-10's binary version, as many of each class.

    Args:
        root: the folder to make.
        counts: file to number of records.
    """
    root.mkdir(parents=True)
    for seed, (name, count) in enumerate((counts or {"data_batch_1.bin": 40, "test_batch.bin": 20}).items()):
        records = [draw_record(1000 * seed + number, bytes([number % 10])) for number in range(count)]
        (root / name).write_bytes(b"".join(records))
    return root


def draw_record(seed: int, labels: bytes) -> bytes:
    """Draw one record of CIFAR: a noisy square of one colour in the middle of another."""
    rng = np.random.default_rng(seed)
    image = np.empty((3, 32, 32))
    image[:] = rng.integers(0, 90, (3, 1, 1))
    size = rng.integers(6, 11)
    image[:, 16 - size : 16 + size, 16 - size : 16 + size] = rng.integers(160, 240, (3, 1, 1))
    return labels + (image + rng.integers(0, 10, image.shape)).astype(np.uint8).tobytes()


def write_folder(root: Path, counts: dict[str, int] | None = None, size: tuple[int, int] = (40, 60)) -> Path:
    """Write a folder of a user's own: images, masks and labels.csv; two images of each patient.

    Args:
        root: the folder to make.
        counts: class to number of images.
        size: height and width.
    """
    rows = ["case_id,label,group"]
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    classes = (counts or {"benign": 4, "malignant": 4}).items()
    names = [(label, number) for label, count in classes for number in range(count)]
    for index, (label, number) in enumerate(names):
        name = f"P{index // 2:02d}_{label[0]}{number}"
        image, mask, _ = draw_eye(index, size)
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
        rows.append(f"{name},{label},P{index // 2:02d}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def write_dicom(path: Path, pixels: np.ndarray, syntax: str = "1.2.840.10008.1.2.1", **elements: object) -> Path:
    """Write one frame of whole numbers, (H, W) or (H, W, 3); elements by keyword, None leaves one out."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRBigEndian, OphthalmicPhotography8BitImageStorage, generate_uid

    big = syntax == ExplicitVRBigEndian
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = OphthalmicPhotography8BitImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    meta.TransferSyntaxUID = UID(syntax)
    dicom = FileDataset(
        str(path), {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=not big
    )
    dicom.SOPClassUID, dicom.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    bits = 8 * pixels.itemsize
    standard = {
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "BitsAllocated": bits, "BitsStored": bits,
        "HighBit": bits - 1, "PixelRepresentation": int(np.issubdtype(pixels.dtype, np.signedinteger)),
        "SamplesPerPixel": 1 if pixels.ndim == 2 else 3,
        "PhotometricInterpretation": "MONOCHROME2" if pixels.ndim == 2 else "RGB",
        "PlanarConfiguration": None if pixels.ndim == 2 else 0,
        "PixelData": pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes(),
    }  # fmt: skip
    for name, value in (standard | elements).items():
        if value is not None:
            setattr(dicom, name, value)
    if "PixelData" in dicom:
        dicom["PixelData"].VR = "OB" if bits == 8 else "OW"
    dicom.save_as(path, implicit_vr=False, little_endian=not big, enforce_file_format=True)
    return path
