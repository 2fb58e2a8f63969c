"""The store of reviews: a database of what readers said, and a folder of the masks they drew. Nothing is ever lost.

SQLite by default, in the run's own folder; any SQLAlchemy URL works, so that readers on several machines can share a
server. What a call has returned from is on the disk.
"""

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, select
from sqlalchemy.engine import URL, make_url

from cvs_med.errors import ReviewError
from cvs_med.images import Mask
from cvs_med.review import mask_files, tables
from cvs_med.review.records import Answer, MaskVersion, check_answer, check_version, in_order

_BUSY_SECONDS = 30
_TRIES = 50
_FILE = "reviews.sqlite"

R = TypeVar("R", Answer, MaskVersion)


@dataclass(frozen=True, slots=True)
class Store:
    """An open store.

    Attributes:
        engine: the database.
        folder: where the masks lie.
    """

    engine: Engine
    folder: Path

    def add_answer(self, answer: Answer) -> None:
        """Append an answer; one that is stored already, by its token, is not stored twice.

        Raises:
            ReviewError: it contradicts itself, or cannot be written.
        """
        check_answer(answer)
        self._append(tables.ANSWERS, answer)

    def add_mask(self, version: MaskVersion, mask: Mask) -> None:
        """Write a mask's file, then append its row, so that no row is ever without its pixels.

        Raises:
            ReviewError: the mask does not fit its row, or cannot be written.
        """
        if mask.shape != (version.height, version.width):
            raise ReviewError(f"Expected a mask of {version.width} x {version.height}, found another. Draw it again.")
        self.add_mask_file(version, mask_files.encode(mask))

    def add_mask_file(self, version: MaskVersion, png: bytes) -> None:
        """Do as `add_mask` with a mask that is encoded already.

        Raises:
            ReviewError: as `add_mask`.
        """
        check_version(version, mask_files.decode(png, (version.height, version.width)))
        mask_files.write(self.folder, version.content, png)
        self._append(tables.MASKS, version)

    def answers(self, run_digest: str) -> list[Answer]:
        """List all answers on a run, oldest first."""
        return self._rows(tables.ANSWERS, Answer, run_digest)

    def masks(self, run_digest: str) -> list[MaskVersion]:
        """List all mask versions of a run, oldest first."""
        return self._rows(tables.MASKS, MaskVersion, run_digest)

    def read_mask(self, version: MaskVersion) -> Mask:
        """Read the pixels of a version, (H, W).

        Raises:
            ReviewError: the file is missing or is not what was stored.
        """
        return mask_files.read(self.folder, version.content, (version.height, version.width))

    def mask_file(self, version: MaskVersion) -> bytes:
        """Read the file of a version, a PNG.

        Raises:
            ReviewError: the file is missing or is not what was stored.
        """
        return mask_files.read_bytes(self.folder, version.content)

    def verify(self) -> list[str]:
        """List what was tampered with: changed or missing rows, changed or missing masks; empty if all is whole."""
        with _connected(self.engine) as connection:
            found = [tables.first_fault(connection, table) for table in (tables.ANSWERS, tables.MASKS)]
            contents = connection.execute(select(tables.MASKS.c.content).distinct()).scalars().all()
        return [fault for fault in [*found, *(mask_files.fault(self.folder, c) for c in contents)] if fault]

    def _append(self, table: Table, row: Answer | MaskVersion) -> None:
        """Add a row behind the newest one; if another reader was faster, behind theirs."""
        for _ in range(_TRIES):
            try:
                with _connected(self.engine) as connection:
                    if _is_stored(connection, table, row.token):
                        return
                    values = asdict(row) | {"previous": tables.last_digest(connection, table)}
                    connection.execute(table.insert().values(**values, digest=tables.digest(values)))
                return
            except exc.IntegrityError:
                time.sleep(random.uniform(0, 0.05))
        raise ReviewError("The store of reviews is too busy: the answer was NOT stored. Answer again.")

    def _rows(self, table: Table, kind: type[R], run_digest: str) -> list[R]:
        columns = [table.c[field.name] for field in fields(kind)]
        query = select(*columns).where(table.c.run_digest == run_digest).order_by(table.c.id)
        with _connected(self.engine) as connection:
            return [kind(*row) for row in connection.execute(query)]


def open_store(folder: Path, url: str | None = None) -> Store:
    """Open a store, made if it is not there.

    Args:
        folder: of the masks, and of the default database `reviews.sqlite`.
        url: of another database, as SQLAlchemy writes it; a SQLite file takes the masks into its own folder.

    Raises:
        ReviewError: the URL cannot be understood, or the database or the folder cannot be opened.
    """
    address = _address(url) if url else URL.create("sqlite", database=str(folder / _FILE))
    if address.drivername in ("postgresql", "postgresql+psycopg"):
        # Else psycopg gives bytes, not text, where the database was made without an encoding.
        address = address.set(query={"client_encoding": "utf8", **address.query})
    on_disk = address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:")
    place = Path(str(address.database)).resolve().parent if on_disk else folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        engine = create_engine(address)
    except (OSError, exc.ArgumentError, ImportError) as error:
        raise _cannot_open(address, error) from error
    if address.get_backend_name() == "sqlite":
        _make_safe_for_several(engine)
    try:
        tables.prepare(engine)
    except exc.SQLAlchemyError as error:
        raise _cannot_open(address, error) from error
    return Store(engine, place / "masks")


def open_other(source: str, folder: Path) -> Store:
    """Open a store that is there already.

    Args:
        source: its database URL, or the folder with its `reviews.sqlite`.
        folder: whose masks belong to a server's URL.

    Raises:
        ReviewError: there is none.
    """
    if "://" in source:
        return open_store(folder, source)
    if not (Path(source) / _FILE).is_file():
        raise ReviewError(f"{source}: expected a folder with {_FILE}, found none. Name the folder, or a URL.")
    return open_store(Path(source))


def _address(url: str) -> URL:
    try:
        return make_url(url)
    except exc.ArgumentError:
        raise ReviewError(
            f"--store: expected a database URL such as sqlite:////data/reviews.sqlite, found {url!r}."
        ) from None


def _cannot_open(address: URL, error: Exception) -> ReviewError:
    said = str(getattr(error, "orig", None) or error)
    shown = address.render_as_string(hide_password=True)
    return ReviewError(f"{shown}: expected a database to write reviews to, found: {said}. Name another with --store.")


def _make_safe_for_several(engine: Engine) -> None:
    """Let readers read while one writes, let writers wait for one another, and let an answer survive a power cut."""

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own record
        connection.isolation_level = None  # SQLAlchemy begins; the driver's own late BEGIN would let two writers clash
        connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead log; two that ask for it at once must wait here, for there SQLite's own timeout does not."""
    latest = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > latest:
                raise
            time.sleep(random.uniform(0, 0.05))
        else:
            return


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """Work in one transaction; whatever the database complains of is said for people."""
    try:
        with engine.begin() as connection:
            yield connection
    except exc.IntegrityError:
        raise
    except exc.SQLAlchemyError as error:
        raise ReviewError(
            f"The store of reviews does not answer ({getattr(error, 'orig', None) or error}): nothing was stored. "
            "Try again."
        ) from error


def _is_stored(connection: Connection, table: Table, token: str) -> bool:
    return connection.execute(select(table.c.id).where(table.c.token == token)).first() is not None


def latest(answers: Sequence[Answer]) -> dict[tuple[str, str], Answer]:
    """Give the answer that stands for each reader and case, (reader, case_id): the newest.

    Merged stores are not in the order of time; answers of the same moment are in that of the store.
    """
    ordered = sorted(answers, key=lambda answer: in_order(answer.answered_at))
    return {(answer.reader, answer.case_id): answer for answer in ordered}
