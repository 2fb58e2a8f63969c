"""A reader's session with the app's own server, in the words of Streamlit's browser page but without the browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect


@contextmanager
def reader_session(
    address: str, page: str, query: dict[str, str], headers: dict[str, str] | None = None, token: str = ""
) -> Iterator["ReaderSession"]:
    """Open a page of the app; `token` is the one against forged requests, as in its cookie."""
    socket = f"{address.replace('http', 'ws')}/_stcore/stream"
    spoken = [Subprotocol(word) for word in ("streamlit", token) if word]
    with connect(socket, subprotocols=spoken, additional_headers=headers, max_size=None) as connection:
        yield ReaderSession(connection, page, query)


class ReaderSession:
    """What one tab of a browser sends and sees; `buttons` and `said` are those of the page as it is now."""

    def __init__(self, connection: ClientConnection, page: str, query: dict[str, str]) -> None:
        self._socket, self._query, self._page, self._hash = connection, urlencode(query), page, ""
        self.buttons: dict[str, str] = {}
        self.said: list[str] = []
        self._run({})

    def press(self, label: str) -> None:
        """Press the button whose label begins so, and wait for the page that follows."""
        self._run({next(name for text, name in self.buttons.items() if text.startswith(label)): True})

    def number(self) -> int:
        """Give the number of the case that is open."""
        return int(next(found[1] for text in self.said if (found := re.match(r"#### Case (\d+)", text))))

    def _run(self, pressed: dict[str, bool]) -> None:
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_script_hash, asked.page_name = self._query, self._hash, self._page
        for name, value in pressed.items():
            asked.widget_states.widgets.add(id=name, trigger_value=value)
        self._socket.send(message.SerializeToString())
        self.buttons, self.said = {}, []
        for answer in self._answers():
            if answer.WhichOneof("type") == "navigation":
                pages = {page.url_pathname: page.page_script_hash for page in answer.navigation.app_pages}
                self._hash = pages[self._page]
            elif answer.WhichOneof("type") == "page_info_changed":
                self._query = answer.page_info_changed.query_string
            elif answer.WhichOneof("type") == "delta":
                self._see(answer)

    def _answers(self) -> Iterator[ForwardMsg]:
        """Give what the server sends until the script has finished; one that begins anew ends early before."""
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(self._socket.recv(timeout=60))
            yield answer
            ended = answer.WhichOneof("type") == "script_finished"
            if ended and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return

    def _see(self, answer: ForwardMsg) -> None:
        element = answer.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "button":
            self.buttons[element.button.label] = element.button.id
        elif kind in ("markdown", "alert", "toast", "text"):
            self.said.append(getattr(element, kind).body)
