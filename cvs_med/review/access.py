"""Who may read and who may see everything, and when the pages may be served to other machines at all."""

import ipaddress
import tomllib
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cvs_med.errors import ReviewError
from cvs_med.review.records import check_reader

Role: TypeAlias = Literal["reader", "admin"]

_NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")


def role(reader: str, admins: Collection[str], *, login: bool) -> Role:
    """Say what a reader may see: their own reviews, or those of all readers and the files to take away.

    On a machine of one's own, where names are not proven, everybody is an admin unless admins are named.

    Args:
        reader: name or address of the reader.
        admins: those who were named as such.
        login: whether names are proven.
    """
    return "admin" if reader in admins or not (login or admins) else "reader"


def require_safe(address: str, *, login: bool, published_on_loopback: bool = False) -> None:
    """Refuse to serve other machines pages that believe any name.

    Args:
        address: that the pages answer to.
        login: whether readers prove who they are.
        published_on_loopback: whether the address is a container's own, whose port only its host reaches.

    Raises:
        ReviewError: the address is none of this machine alone, and no login is configured.
    """
    if not (login or published_on_loopback or _is_loopback(address)):
        raise ReviewError(
            f"--address {address} would serve the reviews to other machines, where a name proves nothing. Expected a "
            "login: configure Streamlit's OpenID Connect in .streamlit/secrets.toml ([auth] with "
            f"{', '.join(_NEEDED)}), or keep --address localhost. In a container whose port is published on 127.0.0.1 "
            "alone, say --published-on-loopback."
        )


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def login_configured(places: Sequence[Path] | None = None) -> bool:
    """Say whether Streamlit's OpenID Connect login is configured where Streamlit looks for it.

    Raises:
        ReviewError: a file of secrets cannot be read, is configured in part, or the package for it is not installed.
    """
    settings: dict[str, Any] = {}
    for place in places or (Path.home() / ".streamlit", Path.cwd() / ".streamlit"):
        settings |= _auth(place / "secrets.toml")
    if not settings:
        return False
    missing = [name for name in _NEEDED if not settings.get(name)]
    if missing:
        raise ReviewError(f".streamlit/secrets.toml: expected {', '.join(missing)} in [auth], found none. Add them.")
    if find_spec("authlib") is None:
        raise ReviewError("Expected the package Authlib for the login, found none. Install cvs-med[login].")
    return True


def _auth(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("auth", {}) if file.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ReviewError(f"{file}: expected secrets as TOML, found {error}. Correct the file.") from error
    return found if isinstance(found, dict) else {}


def name_of(user: Mapping[str, object]) -> str:
    """Give the reader's name from what the identity provider says of a user.

    An address counts only where the provider says that it verified it; without a word on that, its own number of the
    user is the name, for an address that anyone may have typed could be an admin's.

    Raises:
        ReviewError: the address is not verified, or there is nothing to call them by.
    """
    verified = user.get("email_verified")
    if verified not in (None, True):
        raise ReviewError("Expected a verified e-mail address from the login, found one that is not. Verify it.")
    return check_reader(str((user.get("email") if verified else None) or user.get("sub") or ""))
