import errno
import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cvs_med.datasets import sources
from cvs_med.errors import DataError

CONTENTS = {"batch/one.bin": b"first" * 100, "batch/two.bin": b"second" * 50}


def tar_gz(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def contents(source: Path, max_bytes: int = 1_000_000) -> dict[str, bytes]:
    found = {}
    with sources.opened(source, max_bytes=max_bytes) as entries:
        for entry in entries:
            with entry.read() as file:
                found[entry.name] = file.read()
    return found


def test_a_tar_archive_wrapped_by_gzip_is_read(tmp_path: Path) -> None:
    assert contents(tar_gz(tmp_path / "a.tar.gz", CONTENTS)) == CONTENTS


def test_links_and_devices_of_a_tar_archive_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("one.bin")
            info.type, info.linkname = kind, "/etc/hostname"
            tar.addfile(info)
    assert contents(path) == {}


def test_wrapped_files_of_a_folder_count_as_what_is_inside(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.gz").write_bytes(gzip.compress(b"first"))
    (tmp_path / "deep" / "two").write_bytes(b"second")
    found = contents(tmp_path)
    assert found == {(tmp_path / "one").as_posix(): b"first", (tmp_path / "deep" / "two").as_posix(): b"second"}


def test_an_archive_that_unwraps_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tar_gz(tmp_path / "a.tar.gz", {"batch/one.bin": bytes(5_000_000)})
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="at most 1000000 bytes, found more"):
        contents(path)


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.size, info.type = 1 << 40, tarfile.XHDTYPE
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf() + bytes(10_000)))
    with pytest.raises(DataError, match="whole archive or a folder"):
        contents(path)


@pytest.mark.parametrize("cut", [1, 3, 20, -1, -30])
def test_a_damaged_archive_is_named(tmp_path: Path, cut: int) -> None:
    path = tar_gz(tmp_path / "a.tar.gz", CONTENTS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"a\.tar\.gz: expected a whole archive or a folder"):
        contents(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_archive_damaged_anywhere_is_refused_with_a_reason_if_at_all(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr("one.bin", np.random.default_rng(0).bytes(200))
    whole, found = path.read_bytes(), []
    for place in range(0, len(whole), 3):
        for damaged in (bytes([whole[place] ^ 255]) + whole[place + 1 :], whole[place + 1 :]):
            path.write_bytes(whole[:place] + damaged)
            try:
                contents(path)
            except DataError as error:
                found += [problem.found for problem in error.problems]
    assert len(found) > len(whole) / 3
    assert all(found)


def test_a_zip_archive_that_promises_more_than_it_holds_is_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("one.bin", b"first")
    data = bytearray(path.read_bytes())
    sizes = data.index(b"PK\x01\x02") + 20
    data[sizes : sizes + 8] = (10_000).to_bytes(4, "little") * 2
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a whole archive or a folder, found (EOFError|Overlapped entries)"):
        contents(path)


def test_a_full_disk_is_not_blamed_on_the_archive(tmp_path: Path) -> None:
    path = tar_gz(tmp_path / "a.tar.gz", CONTENTS)
    with pytest.raises(OSError, match="No space left"), sources.opened(path, max_bytes=1_000_000):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_gzip_around_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"no tar archive" * 100))
    with pytest.raises(DataError, match="whole archive or a folder"):
        contents(tmp_path / "a.tar.gz")


def test_copies_share_one_limit(tmp_path: Path) -> None:
    target = io.BytesIO()
    used = sources.copy(io.BytesIO(b"1234"), target, tmp_path, most=6)
    used = sources.copy(io.BytesIO(b"56"), target, tmp_path, most=6, size=used)
    assert (used, target.getvalue()) == (6, b"123456")
    with pytest.raises(DataError, match="at most 6 bytes"):
        sources.copy(io.BytesIO(b"7"), target, tmp_path, most=6, size=used)


def test_the_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    expected = hashlib.sha256(b"content").hexdigest()
    (tmp_path / "plain").write_bytes(b"content")
    (tmp_path / "wrapped.gz").write_bytes(gzip.compress(b"content"))
    assert sources.content_sha256(tmp_path / "plain", 100) == expected
    assert sources.content_sha256(tmp_path / "wrapped", 100) == expected
    assert sources.content_sha256(tmp_path / "none", 100) is None


def test_a_checksum_does_not_unwrap_more_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    assert sources.content_sha256(tmp_path / "bomb", 1000) == hashlib.sha256(bytes(1000)).hexdigest()
