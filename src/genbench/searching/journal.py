"""A study's journal: a line of JSON for each thing that happened, with a checksum by which damage shows."""

import json
import logging
import os
import zlib
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileOpenLock

from genbench.errors import UserError

log = logging.getLogger(__name__)
_BEGINNING = b'{"op_code":'  # of every line, as Optuna's storage writes it
_CHECKSUM = b',"checksum":"'
_PIECE = 2**16  # bytes


class Journal(BaseJournalBackend):
    """Optuna's journal in a file that several processes write to, on whatever file system.

    Optuna's own backend cannot read a file again once a process was killed within a line, and joins what another
    process writes next to the half line. Here a half line counts as never written, and is taken off before the next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # The lock by a file that only one can create works on network file systems as well.
        self._lock = JournalFileOpenLock(str(path))
        self._starts = {0: 0}  # bytes before a line, by its number
        path.touch()

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """What happened, from the n-th line on.

        Raises:
            UserError: a line is damaged.
        """
        known = max(number for number in self._starts if number <= log_number_from)
        position = self._starts[known]
        found = []
        with self.path.open("rb") as file:
            file.seek(position)
            for number, line in enumerate(file, start=known):
                if not line.endswith(b"\n"):  # it is being written, or will never be
                    self._half(line, number)
                    break
                position += len(line)
                self._starts[number + 1] = position
                if number >= log_number_from:
                    found.append(self._content(line, number))
        return found

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write down what happened."""
        texts = (json.dumps(log, separators=(",", ":")).encode() for log in logs)
        lines = b"".join(b'%b%b%08x"}\n' % (text[:-1], _CHECKSUM, zlib.crc32(text)) for text in texts)
        self._lock.acquire()
        try:
            self.mend()
            with self.path.open("ab") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        finally:
            self._lock.release()

    def mend(self) -> None:
        """Take off a last line of which a part is missing; only for whoever writes."""
        with self.path.open("r+b") as file:
            end = size = file.seek(0, os.SEEK_END)
            last = b""
            while end and b"\n" not in last:
                start = max(0, end - _PIECE)
                file.seek(start)
                last = file.read(end - start) + last
                end = start
            half = last.rpartition(b"\n")[2]
            if half:
                self._half(half, None)
                log.warning("%s: a process was killed while it wrote the last line, which is taken off", self.path)
                file.truncate(size - len(half))

    def _half(self, line: bytes, number: int | None) -> None:
        """Refuse what is not the beginning of a line."""
        if line[: len(_BEGINNING)] != _BEGINNING[: len(line)]:
            raise self._damaged(number)

    def _content(self, line: bytes, number: int) -> dict[str, Any]:
        text, sign, checksum = line.rpartition(_CHECKSUM)
        if sign:
            text += b"}"
        else:  # as Optuna's own backend wrote it before
            text = line
        try:
            content = json.loads(text)
        except ValueError as error:
            raise self._damaged(number) from error
        if not isinstance(content, dict) or not isinstance(content.get("op_code"), int):
            raise self._damaged(number)
        if sign and checksum != b'%08x"}\n' % zlib.crc32(text):
            raise self._damaged(number)
        return content

    def _damaged(self, number: int | None) -> UserError:
        where = "its last line" if number is None else f"line {number + 1}"
        return UserError(
            f"{self.path}: {where} is damaged: move this file away and give the same command again; the trials are"
            " counted anew, and what is trained already is not trained again"
        )
