import gzip
import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from cvs_med.datasets import get
from cvs_med.datasets.archive import Official, fetch_official, install
from cvs_med.datasets.manifest import Promise
from cvs_med.errors import DataError, DownloadError

LIMIT = 10_000_000
REBUILT = "manual1/02_h.tif"
Source = Callable[[Path, dict[str, str]], Path]


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.*") if path.is_file()}


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return path


@pytest.fixture
def manifest(fundus: Path) -> dict[str, Promise]:
    promises = {
        name: Promise(hashlib.sha256(data).hexdigest(), name == REBUILT) for name, data in files(fundus).items()
    }
    assert len(promises) == 18
    return promises


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "place"


@pytest.mark.parametrize("prefix", ["", "all/"])
def test_an_archive_is_unpacked_whole(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path, prefix: str
) -> None:
    contents = {prefix + name: data for name, data in files(fundus).items()}
    install(packed(tmp_path / "a.zip", contents), target, manifest, max_bytes=LIMIT)
    assert files(target) == files(fundus)
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_copied_under_the_manifest_s_names(
    fundus: Path, manifest: dict[str, Promise], target: Path
) -> None:
    expected = files(fundus)
    (fundus / "images" / "01_dr.JPG").rename(fundus / "images" / "01_DR.jpg")
    (fundus / "images" / "extra.jpg").touch()
    install(fundus.parent, target, manifest, max_bytes=LIMIT)
    assert files(target) == expected


def test_no_entry_leaves_the_folder_or_adds_to_it(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path
) -> None:
    evil = {"../../evil.txt": b"x", "/evil.txt": b"x", "images/../../../evil.txt": b"x", "images/setup.py": b"x"}
    install(packed(tmp_path / "a.zip", evil | files(fundus)), target, manifest, max_bytes=LIMIT)
    assert files(target) == files(fundus)
    assert not list(tmp_path.rglob("evil.txt"))


def test_all_wrong_files_are_listed_and_nothing_is_kept(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path
) -> None:
    contents = files(fundus)
    contents["images/01_h.jpg"] += b"\0"
    contents["mask/01_g_mask.tif"] = b""
    del contents["manual1/01_dr.tif"]
    with pytest.raises(DataError) as caught:
        install(packed(tmp_path / "a.zip", contents), target, manifest, max_bytes=LIMIT)
    wheres = {problem.where for problem in caught.value.problems}
    assert wheres == {"images/01_h.jpg", "mask/01_g_mask.tif", "manual1/01_dr.tif"}
    assert not list(target.parent.iterdir())


def test_another_mask_is_accepted_only_for_a_rebuilt_one(
    fundus: Path, manifest: dict[str, Promise], target: Path
) -> None:
    Image.open(fundus / "manual1" / "01_h.tif").save(fundus / REBUILT)
    install(fundus, target, manifest, max_bytes=LIMIT)
    (fundus / REBUILT).write_bytes(b"no mask")
    with pytest.raises(DataError, match=REBUILT):
        install(fundus, target.with_name("other"), manifest, max_bytes=LIMIT)


@pytest.mark.parametrize("content", [b"", b"not a zip archive", None])
def test_a_damaged_archive_is_named(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = packed(tmp_path / "a.zip", files(fundus))
    data = bytearray(path.read_bytes())
    data[2000] ^= 255
    path.write_bytes(bytes(data) if content is None else content)
    with pytest.raises(DataError, match=r"a\.zip"):
        install(path, target, manifest, max_bytes=LIMIT)


def test_more_than_the_allowed_bytes_are_not_unpacked(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path
) -> None:
    contents = files(fundus) | {"images/01_h.jpg": bytes(LIMIT)}
    with pytest.raises(DataError, match="at most 10000000 bytes"):
        install(packed(tmp_path / "a.zip", contents), target, manifest, max_bytes=LIMIT)
    assert not list(target.parent.iterdir())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder, and its address on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def official(manifest: Mapping[str, Promise], downloads: Mapping[str, str], limit: int = LIMIT) -> Official:
    """What authors would publish whose list of files is `manifest`."""

    class Listed(Official):
        def promises(self) -> Mapping[str, Promise]:
            return manifest

    return Listed("", downloads, limit)


def promises(root: Path) -> dict[str, Promise]:
    """List a folder's files by their content, unwrapped."""
    unwrapped = {
        name.removesuffix(".gz"): gzip.decompress(data) if name.endswith(".gz") else data
        for name, data in contents(root).items()
    }
    return {name: Promise(hashlib.sha256(data).hexdigest(), False) for name, data in unwrapped.items()}


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir()}


def tar_gz(path: Path, folder: Path) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, "cifar-10-batches-bin")
        notes = tarfile.TarInfo("cifar-10-batches-bin/readme.html")
        notes.size = 5
        tar.addfile(notes, io.BytesIO(b"notes"))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_is_downloaded_and_unpacked(cifar10: Path, served: tuple[Path, str], target: Path) -> None:
    folder, address = served
    path = tar_gz(folder / "a.tar.gz", cifar10)
    fetch_official(official(promises(cifar10), {f"{address}/a.tar.gz": sha256(path)}), target)
    assert contents(target) == contents(cifar10)
    assert len(get("cifar10").cases(target)) == 60


def test_files_are_downloaded_one_by_one_and_unwrapped(mnist: Path, served: tuple[Path, str], target: Path) -> None:
    folder, address = served
    downloads = {}
    for path in mnist.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
        downloads[f"{address}/{path.name}"] = sha256(path)
    fetch_official(official(promises(mnist), downloads), target)
    assert contents(target) == {
        name.removesuffix(".gz"): gzip.decompress(data) for name, data in contents(mnist).items()
    }
    assert len(get("mnist").cases(target)) == 60


def test_another_archive_than_promised_is_not_unpacked(cifar10: Path, served: tuple[Path, str], target: Path) -> None:
    folder, address = served
    tar_gz(folder / "a.tar.gz", cifar10)
    with pytest.raises(DownloadError, match="SHA-256 should begin with"):
        fetch_official(official(promises(cifar10), {f"{address}/a.tar.gz": "0" * 64}), target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("cifar10", "download it on another machine and run `cvs-med data fetch cifar10 --from FILE`."),
        ("mnist", "download 0, 1, 2, 3 on another machine and run `cvs-med data fetch mnist --from DIR`."),
    ],
)
def test_offline_one_sentence_says_what_to_do(
    name: str, remedy: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    known = get(name).official
    assert known is not None
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        downloads = {f"{address}/{number}": "0" * 64 for number, _ in enumerate(known.downloads)}
        with pytest.raises(DownloadError) as caught:
            fetch_official(replace(known, downloads=downloads), target)
    assert "Connection refused" in str(caught.value)
    assert str(caught.value).endswith(remedy)
    assert "\n" not in str(caught.value)


def test_a_folder_with_other_wrapping_is_accepted_by_its_content(mnist: Path, target: Path) -> None:
    known = official(promises(mnist), {})
    for path in mnist.iterdir():
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7))
    fetch_official(known, target, mnist)
    assert len(get("mnist").cases(target)) == 60


def test_a_folder_that_holds_the_wrapped_files_already_is_verified(mnist: Path) -> None:
    before, known = contents(mnist), official(promises(mnist), {})
    fetch_official(known, mnist)
    assert contents(mnist) == before
    (mnist / "t10k-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: expected a whole file, found Not a gzipped file"):
        fetch_official(known, mnist)


def test_a_wrapped_file_that_unwraps_to_too_much_is_refused(mnist: Path, target: Path) -> None:
    known = official(promises(mnist), {}, limit=1_000_000)
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(2_000_000)))
    with pytest.raises(DataError, match="at most 1000000 bytes, found more"):
        fetch_official(known, target, mnist)
    assert not target.exists()
