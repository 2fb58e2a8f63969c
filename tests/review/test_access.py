"""Nobody but this machine is served without a login, and a login's name is the only one that counts."""

from pathlib import Path

import pytest

from cvs_med.errors import ReviewError
from cvs_med.review import access

WHOLE = """[auth]
redirect_uri = "https://eye.example/oauth2callback"
cookie_secret = "long and random"
client_id = "cvs-med"
client_secret = "secret"
server_metadata_url = "https://login.example/.well-known/openid-configuration"
"""


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.4", "::", "eye.example", "localhost.example", ""])
def test_other_machines_are_served_with_a_login_only(address: str) -> None:
    with pytest.raises(ReviewError, match="OpenID Connect"):
        access.require_safe(address, login=False)
    access.require_safe(address, login=True)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_always_served(address: str) -> None:
    access.require_safe(address, login=False)


def test_a_login_is_configured_wholly_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "find_spec", lambda _: object())
    assert not access.login_configured([tmp_path])
    file = tmp_path / "secrets.toml"
    file.write_text("other = 1")
    assert not access.login_configured([tmp_path])
    file.write_text(WHOLE)
    assert access.login_configured([tmp_path])
    file.write_text(WHOLE.replace("cookie_secret", "cookie"))
    with pytest.raises(ReviewError, match="cookie_secret"):
        access.login_configured([tmp_path])
    file.write_text("[auth")
    with pytest.raises(ReviewError, match="TOML"):
        access.login_configured([tmp_path])


def test_a_login_without_its_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets.toml").write_text(WHOLE)
    monkeypatch.setattr(access, "find_spec", lambda _: None)
    with pytest.raises(ReviewError, match="Authlib"):
        access.login_configured([tmp_path])


def test_roles() -> None:
    assert access.role("Ada", (), login=False) == "admin"
    assert access.role("Ada", (), login=True) == "reader"
    assert access.role("Ada", {"Bob"}, login=False) == "reader"
    assert access.role("Bob", {"Bob"}, login=True) == "admin"


def test_the_name_is_what_the_login_says() -> None:
    assert access.name_of({"email": "ada@eye.example", "email_verified": True, "sub": "1"}) == "ada@eye.example"
    assert access.name_of({"email": "ada@eye.example", "sub": "1"}) == "1"
    assert access.name_of({"sub": "1"}) == "1"
    unproven = ({"email": "a@b", "email_verified": said} for said in (False, "false"))
    for user in ({}, {"sub": "a\nb"}, *unproven):
        with pytest.raises(ReviewError):
            access.name_of(user)
