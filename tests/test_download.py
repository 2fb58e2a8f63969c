import contextlib
import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.request import Request

import pytest

from cvs_med.download import _Refused, _SafeRedirects, fetch, file_sha256
from cvs_med.errors import DownloadError

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "download it elsewhere and pass --weights FILE"


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    moved: ClassVar[dict[str, str]] = {
        "/moved": "/file",
        "/away": "http://example.invalid/file",
        "/ftp": "ftp://127.0.0.1/file",
        "/local": "file:///etc/hostname",
        "/round": "/round",
    }

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path in self.moved:
            self.answer(302, {"Location": self.moved[self.path]}, b"")
        elif self.path == "/file":
            self.answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT)
        elif self.path == "/truncated":
            self.answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT[:1000])
        elif self.path == "/unannounced":
            self.answer(200, {}, CONTENT)
        elif self.path == "/bad-chunks":
            self.answer(200, {"Transfer-Encoding": "chunked"}, b"ffff\r\nonly this")
        else:
            self.answer(404, {"Content-Length": "0"}, b"")

    def answer(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client hangs up on what is too large
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def get(url: str, target: Path, *, sha256: str = SHA256, max_bytes: int = len(CONTENT)) -> Path:
    return fetch(url, target, sha256=sha256, max_bytes=max_bytes, remedy=REMEDY, timeout=5)


@pytest.mark.parametrize("path", ["/file", "/moved", "/unannounced"])
def test_a_good_file_arrives_whole_and_alone(server: str, tmp_path: Path, path: str) -> None:
    target = tmp_path / "new" / "folder" / "weights.pth"
    assert get(server + path, target) == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_the_first_digits_of_the_checksum_are_enough(server: str, tmp_path: Path) -> None:
    assert file_sha256(get(f"{server}/file", tmp_path / "file", sha256=SHA256[:8])) == SHA256


def test_a_file_already_there_is_not_fetched_again(server: str, tmp_path: Path) -> None:
    for _ in range(2):
        get(f"{server}/file", tmp_path / "file")
    assert Handler.asked == ["/file"]


def test_a_damaged_file_already_there_is_replaced(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"damaged")
    assert get(f"{server}/file", target).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "the server answered 404 Not Found"),
        ("/truncated", f"the connection ended after 1000 of {len(CONTENT)} bytes"),
        ("/bad-chunks", "IncompleteRead"),
        ("/away", "expected an https address, found http://example.invalid/file"),
        ("/ftp", "expected an https address, found ftp://127.0.0.1/file"),
        ("/local", "Redirection to url 'file:///etc/hostname' is not allowed"),
        ("/round", "infinite loop"),
    ],
)
def test_what_goes_wrong_is_named_and_nothing_is_left_behind(
    server: str, tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(DownloadError) as caught:
        get(server + path, tmp_path / "file")
    assert reason in str(caught.value)
    assert str(caught.value).endswith(f"): {REMEDY}.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/file", "/unannounced"])
def test_a_file_larger_than_allowed_is_not_kept(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError, match="more than the"):
        get(server + path, tmp_path / "file", max_bytes=len(CONTENT) - 1)
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_promised_does_not_replace_the_one_there(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"older")
    with pytest.raises(DownloadError, match=f"should begin with {'0' * 64} but is {SHA256}"):
        get(f"{server}/file", target, sha256="0" * 64)
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_without_a_server_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(DownloadError) as caught:
            get(url, tmp_path / "file")
    expected = f"Could not fetch {url} to {tmp_path / 'file'} (no connection: Connection refused): {REMEDY}."
    assert str(caught.value) == expected


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DownloadError, match="fell silent"):
        fetch(
            f"http://127.0.0.1:{silent.getsockname()[1]}/file",
            tmp_path / "file",
            sha256=SHA256,
            max_bytes=10,
            remedy=REMEDY,
            timeout=0.05,
        )


@pytest.mark.parametrize(
    "url", ["http://example.invalid/f", "file:///etc/hostname", "ftp://127.0.0.1/f", "/etc/hostname"]
)
def test_only_https_is_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="expected an https address"):
        get(url, tmp_path / "file")


def test_a_folder_that_cannot_be_made_is_named(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"Not a directory|File exists"):
        get(f"{server}/file", tmp_path / "file" / "below")


@pytest.mark.parametrize("sha256", ["", "abc", "X" * 64, SHA256.upper()])
def test_a_checksum_that_would_promise_nothing_is_a_mistake_of_the_caller(tmp_path: Path, sha256: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        get("https://example.invalid/f", tmp_path / "file", sha256=sha256)


def test_a_redirect_from_https_stays_https_even_on_this_machine() -> None:
    ask = Request("https://example.invalid/file")
    to_http = (ask, io.BytesIO(), 302, "Found", HTTPMessage(), "http://127.0.0.1/file")
    with pytest.raises(_Refused, match=r"redirects from https to http://127\.0\.0\.1/file"):
        _SafeRedirects().redirect_request(*to_http)
    followed = _SafeRedirects().redirect_request(*to_http[:-1], "https://elsewhere.invalid/file")
    assert followed is not None
    assert followed.full_url == "https://elsewhere.invalid/file"
