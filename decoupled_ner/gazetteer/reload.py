"""A gazetteer that is replaced while others read it."""

from __future__ import annotations

import threading
from pathlib import Path

from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.storage import FILE_NAME

_Stamp = tuple[int, int, int]


class ReloadingGazetteer:
    """Holds the newest gazetteer of a folder.

    Readers take `current` once and keep to it: a gazetteer never changes, and the swap is one
    assignment, so they need no lock and never see half of a new one.

    Raises:
        InputError: there is no sound gazetteer to begin with.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._path = self.directory / FILE_NAME
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._current = self._load()

    @property
    def current(self) -> Gazetteer:
        """The gazetteer as of the last `refresh`, its matcher compiled."""
        return self._current

    def refresh(self) -> bool:
        """Load the folder's gazetteer if its file was replaced; whether it was.

        Raises:
            InputError: the new file is missing or damaged; `current` stays what it was.
        """
        with self._lock:
            stamp = self._look()
            if stamp is not None and stamp == self._stamp:
                return False
            self._current = self._load()
            self._stamp = stamp
            return True

    def _load(self) -> Gazetteer:
        gazetteer = Gazetteer.load(self.directory)
        _ = gazetteer.matcher  # compiled before anyone can ask for it
        return gazetteer

    def _look(self) -> _Stamp | None:
        """What changes when the file is replaced. Taken before loading: a later change shows."""
        try:
            stat = self._path.stat()
        except OSError:  # loading tells what is wrong
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
