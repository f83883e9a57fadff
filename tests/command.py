"""The command line, called in this process."""

from __future__ import annotations

import pytest

from decoupled_ner.cli import main


def status(*arguments: str) -> int:
    """What ``decoupled-ner`` ends with."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)
