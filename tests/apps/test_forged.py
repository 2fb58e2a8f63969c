"""With a login, the app's own server believes neither a forged cookie, nor a header, nor a page of another site."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.web.server.starlette import starlette_app_utils
from websockets.exceptions import InvalidStatus

from cvs_med.review import headless
from cvs_med.review.launch import Settings
from reader_session import reader_session

pytestmark = pytest.mark.slow

COOKIE = "_streamlit_user"
SECRET = "known to the server alone"


@pytest.fixture
def address(run_folder: Path, phantom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that asks for a login."""
    port = headless.free_port()
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{SECRET}"\n'
        'client_id = "a"\nclient_secret = "b"\nserver_metadata_url = "http://localhost:1/none"\n'
    )
    monkeypatch.chdir(tmp_path)
    with headless.served(Settings(run_folder, phantom_folder, None, login=True), port) as server:
        yield server.address


def cookie(address: str, secret: str) -> str:
    """Sign what the server's own cookie says of a user who has logged in."""
    user = {"is_logged_in": True, "email": "ada@eye.example", "email_verified": True, "origin": address}
    return starlette_app_utils.create_signed_value(secret, COOKIE, json.dumps(user)).decode()


def seen(address: str, headers: dict[str, str]) -> list[str]:
    """Open a case with the token against forged requests, which the server gives to everybody."""
    token = starlette_app_utils.generate_xsrf_token_string()
    cookies = "; ".join(filter(None, [f"_streamlit_xsrf={token}", headers.get("Cookie")]))
    sent = {"Origin": address, **headers, "Cookie": cookies}
    with reader_session(address, "case", {"reader": "Eve"}, sent, token) as session:
        return [*session.said, *session.buttons]


def test_nobody_comes_in_with_what_they_made_themselves(address: str) -> None:
    forged = {
        "signed with another secret": {"Cookie": f"{COOKIE}={cookie(address, 'guessed')}"},
        "not signed": {"Cookie": f'{COOKIE}={{"is_logged_in": true, "email": "ada@eye.example"}}'},
        "of another site": {"Cookie": f"{COOKIE}={cookie('http://evil.example', SECRET)}"},
        "in headers": {name: "ada@eye.example" for name in ("X-Forwarded-User", "X-Forwarded-Email", "Remote-User")},
        "nothing": {},
    }
    for what, headers in forged.items():
        found = " ".join(seen(address, headers))
        assert "Log in" in found, what
        assert "Case" not in found, what
    assert any("#### Case" in text for text in seen(address, {"Cookie": f"{COOKIE}={cookie(address, SECRET)}"}))


def test_a_page_of_another_site_cannot_speak_for_the_reader(address: str) -> None:
    headers = {"Origin": "http://evil.example", "Cookie": f"{COOKIE}={cookie(address, SECRET)}"}
    with pytest.raises(InvalidStatus), reader_session(address, "case", {}, headers):
        pass
