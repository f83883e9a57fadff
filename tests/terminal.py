"""A standard error that is a terminal, for what is shown only there."""

from __future__ import annotations

import io
import re

import pytest


class Terminal(io.StringIO):
    """Keeps what is written to it."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        """All that was ever drawn, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


def put_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a wide terminal for the rest of a test."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    return terminal
