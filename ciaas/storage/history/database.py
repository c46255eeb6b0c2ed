"""The DuckDB database under a history store: its cursors and its return after a fatal error."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from ciaas.ports import HistoryError
from ciaas.storage.history import schema
from ciaas.storage.history.refusal import is_fatal, refusal, refusal_to_open

Cursor = duckdb.DuckDBPyConnection


class Database:
    """Lends cursors to any thread. After a fatal error it is `poisoned` until `reopen`.

    Args:
        path: The file; None keeps everything in memory.
        memory_limit_mb: What DuckDB may use.
        threads: Worker threads of DuckDB.
        cursors: Cursors lent at the same time; further takers wait.
    """

    def __init__(
        self, path: Path | None, *, memory_limit_mb: int, threads: int, cursors: int
    ) -> None:
        self.path = path
        self.copy_path = None if path is None else path.with_name(path.name + ".copy")
        """The one other file that may be written, by `ATTACH`."""
        self.poisoned = False
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": threads,
            # The sealer checkpoints: one in a commit would be paid for by a device's latency.
            "checkpoint_threshold": "1TB",
            # BEGIN takes the snapshot, so that a list of tables read beside it fits.
            "immediate_transaction_mode": True,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # DuckDB hands a file opened twice in a process to both; it refuses another
            # configuration, and this makes each one different.
            "custom_user_agent": f"history {uuid.uuid4()}",
        }
        if path is None:
            self._config["temp_directory"] = ""
        self._cursors_max = cursors
        self._idle: list[Cursor] = []
        self._lent = 0
        self._closed = False
        self._turn = threading.Condition()
        self._root = self._connect()

    @contextmanager
    def lend(self) -> Iterator[Cursor]:
        """Give a cursor for the time of a block.

        Raises:
            HistoryError: what DuckDB's error means, see `refusal`.
        """
        cursor = self._take()
        try:
            yield cursor
        except duckdb.Error as error:
            self.poisoned = self.poisoned or is_fatal(error)
            told = refusal(error)
            if told is error:
                raise
            raise told from error
        finally:
            self._give(cursor)

    def reopen(self) -> None:
        """Open the file again once no cursor is lent; what was committed is all there.

        Raises:
            HistoryError: it can't be opened now, for example because the disk is full.
        """
        if self.path is None:
            raise HistoryError("a history in memory doesn't survive a fatal error: start it anew")
        with self._turn:
            self._turn.wait_for(lambda: self._lent == 0)
            self._close()
            self._root = self._connect()
            self.poisoned = False

    def close(self) -> None:
        """Wait for the cursors that are lent, write the log back into the file, and let it go."""
        with self._turn:
            self._turn.wait_for(lambda: self._lent == 0)
            self._closed = True
            self._close()

    def _close(self) -> None:
        for cursor in (*self._idle, self._root):
            with suppress(duckdb.Error):
                cursor.close()
        self._idle.clear()

    def _connect(self) -> Cursor:
        try:
            root = duckdb.connect(str(self.path) if self.path else ":memory:", config=self._config)
        except duckdb.Error as error:
            raise refusal_to_open(error, self.path or Path()) from error
        try:
            # Only before the database is shut in can the exception be named.
            root.execute("SET allowed_paths = ?", [self._copy_files()])
            root.execute("SET enable_external_access = false")
            schema.require_current(root, self.path)
        except BaseException:
            root.close()
            raise
        return root

    def _copy_files(self) -> list[str]:
        suffixes = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
        return [f"{self.copy_path}{suffix}" for suffix in suffixes if self.copy_path]

    def _take(self) -> Cursor:
        with self._turn:
            self._turn.wait_for(lambda: self._lent < self._cursors_max)
            if self._closed:
                raise HistoryError("history is closed")
            cursor = self._idle.pop() if self._idle else self._root.cursor()
            self._lent += 1
            return cursor

    def _give(self, cursor: Cursor) -> None:
        with self._turn:
            self._lent -= 1
            self._idle.append(cursor)
            self._turn.notify_all()


@contextmanager
def undone_on_error(cursor: Cursor) -> Iterator[None]:
    """Roll the transaction of a cursor back when the block fails."""
    try:
        yield
    except BaseException:
        # A failed COMMIT has rolled back by itself and left nothing to roll back.
        with suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        raise
