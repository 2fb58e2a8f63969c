"""Fetch one file, and keep it only if it is the one that was promised."""

import hashlib
import http.client
import ipaddress
import os
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, BinaryIO, Final, Protocol

from cvs_med.errors import DownloadError

_CHUNK: Final = 1 << 20
_LOCAL: Final = "localhost"


class _Stream(Protocol):
    """What is read of an answer."""

    def read(self, amount: int, /) -> bytes: ...


class _Refused(Exception):
    """Why what the server sends is not kept; in words that fit into the one sentence for the user."""


def fetch(url: str, target: Path, *, sha256: str, max_bytes: int, remedy: str, timeout: float = 30.0) -> Path:
    """Download a file unless it is there already.

    The bytes go to a temporary file beside the target, which takes the target's name only once size and checksum are
    right. After any failure the temporary file is gone and the target is what it was.

    Args:
        url: https; http only where the host is this machine. A redirect must keep to the same.
        target: where the file shall lie; its folder is made. A file there with the right checksum is taken as it is.
        sha256: the checksum, or its first hexadecimal digits (eight at least).
        max_bytes: more than this is not stored.
        remedy: what the user can do instead, as the end of a sentence: "download it elsewhere and pass --weights FILE".
        timeout: seconds without any byte after which the server counts as silent.

    Returns:
        The target.

    Raises:
        DownloadError: the file could not be fetched, stored, or is not what its checksum promises. One sentence.
    """
    if not re.fullmatch("[0-9a-f]{8,64}", sha256):
        raise ValueError(f"expected 8 to 64 lower-case hexadecimal digits of a SHA-256, found {sha256!r}")
    try:
        if not (target.is_file() and file_sha256(target).startswith(sha256)):
            _download(url, target, sha256, max_bytes, timeout)
    except (_Refused, OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"Could not fetch {url} to {target} ({_reason(error)}): {remedy}.") from error
    return target


def file_sha256(path: Path) -> str:
    """Compute the checksum of a file of any size, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, target: Path, sha256: str, max_bytes: int, timeout: float) -> None:
    _check_address(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with _open(url, timeout) as answer, temporary.open("xb") as file:
            _check_digest(_copy(answer, file, _announced(answer, max_bytes), max_bytes), sha256)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _announced(answer: http.client.HTTPResponse, max_bytes: int) -> int | None:
    """Give the length that the server announces, if it does, and refuse before the first byte what is too large."""
    header = answer.headers.get("Content-Length")
    length = int(header) if header and header.isdecimal() else None
    if length is not None and length > max_bytes:
        raise _Refused(f"the file has {length} bytes, more than the {max_bytes} allowed")
    return length


def _copy(source: _Stream, file: BinaryIO, announced: int | None, max_bytes: int) -> str:
    """Store the stream as it comes; give its checksum."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > max_bytes:
            raise _Refused(f"the file has more than the {max_bytes} bytes allowed")
        digest.update(chunk)
        file.write(chunk)
    if announced is not None and size < announced:
        raise _Refused(f"the connection ended after {size} of {announced} bytes")
    return digest.hexdigest()


def _check_digest(found: str, expected: str) -> None:
    if not found.startswith(expected):
        raise _Refused(f"its SHA-256 should begin with {expected} but is {found}")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError):
        return f"no connection: {getattr(error.reason, 'strerror', None) or error.reason}"
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    return str(error) or type(error).__name__


def _open(url: str, timeout: float) -> http.client.HTTPResponse:
    try:
        answer: http.client.HTTPResponse = urllib.request.build_opener(_SafeRedirects).open(url, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _Refused(f"the server answered {error.code} {error.reason}") from error
    return answer


def _check_address(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname)):
        return
    raise _Refused(f"expected an https address, found {url}")


def _is_loopback(host: str | None) -> bool:
    try:
        return host == _LOCAL or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only to https, or from this machine to itself."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        fp.close()
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            raise _Refused(f"the server redirects from https to {newurl}")
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
