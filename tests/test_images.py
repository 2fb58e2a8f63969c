import errno
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cvs_med.errors import DataError
from cvs_med.images import read_header, read_image, read_mask

PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
DISC = (np.add.outer((np.arange(20) - 10) ** 2, (np.arange(30) - 15) ** 2) < 50).astype(np.uint8)


def png(width: int, height: int, bits: int, rows: bytes = b"") -> bytes:
    """A colour PNG by hand: Pillow writes neither 16-bit colour nor a header without its pixels."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_photograph_without_loss_is_read_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    pixels = read_image(saved(tmp_path / f"a.{suffix}", PHOTOGRAPH))
    np.testing.assert_array_equal(pixels, PHOTOGRAPH)


def test_the_header_tells_size_and_format(tmp_path: Path) -> None:
    header = read_header(saved(tmp_path / "a.jpg", PHOTOGRAPH))
    assert (header.width, header.height, header.mode, header.bits, header.orientation) == (30, 20, "RGB", 8, 1)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK"])
def test_a_photograph_of_another_pixel_format_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(PHOTOGRAPH).convert(mode).save(path)
    with pytest.raises(DataError, match="expected 8-bit RGB"):
        read_image(path)


def test_sixteen_bits_are_refused_though_pillow_would_read_them(tmp_path: Path) -> None:
    grey, colour, portable = tmp_path / "grey.png", tmp_path / "colour.tif", tmp_path / "colour.png"
    Image.fromarray(PHOTOGRAPH[..., 0].astype(np.uint16) * 257).save(grey)
    tifffile.imwrite(colour, PHOTOGRAPH.astype(np.uint16) * 257, photometric="rgb")
    portable.write_bytes(png(2, 2, 16, (b"\0" + bytes(12)) * 2))
    for path in (grey, colour, portable):
        with pytest.raises(DataError, match="found 16-bit"):
            read_image(path)


def test_a_turned_photograph_is_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    with pytest.raises(DataError, match="EXIF orientation 6"):
        read_image(saved(tmp_path / "a.jpg", PHOTOGRAPH, exif=exif))


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (12_000, 12_000), (100_000_001, 1)])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8))
    for read in (read_header, read_image, read_mask):
        with pytest.raises(DataError, match=r"at most 100 million pixels, found \d"):
            read(path)


def test_a_large_photograph_just_under_the_cap_is_not_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(10_000, 10_000, 8))
    assert read_header(path).width == 10_000


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_a_truncated_photograph_is_an_error_that_names_the_file(tmp_path: Path, suffix: str, part: float) -> None:
    path = saved(tmp_path / f"a.{suffix}", PHOTOGRAPH)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(DataError, match=rf"a\.{suffix}: expected"):
        read_image(path)


@pytest.mark.parametrize(
    "options", [{"format": "PNG"}, {"format": "TIFF", "compression": "tiff_lzw"}, {"format": "JPEG"}]
)
def test_no_damage_lets_an_exception_of_the_decoder_through(tmp_path: Path, options: dict[str, str]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(buffer, **options)
    rng = np.random.default_rng(1)
    path, outcomes = tmp_path / "damaged", set()
    for _ in range(150):
        data = bytearray(buffer.getvalue())
        for place in rng.integers(0, min(len(data), 300), 3):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            outcomes.add(read_image(path).ndim)
        except DataError:
            outcomes.add("refused")
    assert outcomes <= {3, "refused"}
    assert "refused" in outcomes


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("not a photograph")
    with pytest.raises(DataError, match="found another format"):
        read_image(path)


def test_missing_and_forbidden_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="found nothing"):
        read_image(tmp_path / "none.jpg")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match="no permission"):
        read_image(tmp_path / "a.jpg")


def test_a_mask_reads_the_same_however_it_is_stored(tmp_path: Path) -> None:
    stored = {
        "channel.tif": DISC * 255,
        "ones.png": DISC,
        "colour.tif": np.stack([DISC * 255] * 3, axis=-1),
        "bilevel.tif": DISC.astype(bool),
    }
    for name, pixels in stored.items():
        mask = read_mask(saved(tmp_path / name, pixels), shape=(20, 30))
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, DISC.astype(bool), err_msg=name)


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (DISC * 200, "2 different values"),
        (PHOTOGRAPH[..., 0], "different values"),
        (PHOTOGRAPH, "channels that differ"),
        (DISC * 0, "an empty one"),
        (DISC[:, :29] * 255, "29 x 20"),
        (DISC.astype(np.uint16) * 65535, "16-bit"),
    ],
)
def test_what_is_no_mask_of_the_photograph_is_refused(tmp_path: Path, pixels: np.ndarray, found: str) -> None:
    with pytest.raises(DataError, match=found):
        read_mask(saved(tmp_path / "mask.png", pixels), shape=(20, 30))
