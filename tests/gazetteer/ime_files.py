"""Writers of the input-method formats, just enough to make files for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def u16(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}H", *numbers)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def scel(
    groups: Sequence[Sequence[str]],
    *,
    syllables: Sequence[str] = ("a", "bei", "jing"),
    promised: int | None = None,
    blacklist: Sequence[str] = (),
    tail: bytes = b"",
) -> bytes:
    """A Sogou dictionary; words begin right after the syllable table, wherever that ends."""
    head = bytearray(0x1540)
    head[:4] = b"\x40\x15\x00\x00"
    struct.pack_into("<I", head, 0x120, len(groups) if promised is None else promised)
    body = struct.pack("<I", len(syllables))
    for number, syllable in enumerate(syllables):
        body += u16(number, len(utf16(syllable))) + utf16(syllable)
    for words in groups:
        body += u16(len(words), 4, 1, 2)
        for word in words:
            body += u16(len(utf16(word))) + utf16(word) + u16(10, 7, 0, 0, 0, 0)
    if blacklist:
        body += utf16("DELTBL") + u16(len(blacklist))
        body += b"".join(u16(len(word)) + utf16(word) for word in blacklist)
    return bytes(head) + body + tail


def coded(word: str, weight: int = 0) -> bytes:
    return u16(len(word), weight) + b"\x07\x1d" * len(word) + utf16(word)


def ascii_word(word: str) -> bytes:
    return u16(len(word), 0) + word.encode()


def romanised(word: str, letters: str = "xeonchuliqi") -> bytes:
    return u16(len(letters), 0, 0, len(word)) + utf16(letters) + utf16(word)


def zero_length(word: str, letters: str = "lia'bu") -> bytes:
    return u16(0, 0, len(letters), len(word)) + utf16(letters) + utf16(word)


def bdict(*sections: bytes) -> bytes:
    """A desktop dictionary with its table of up to three sections."""
    head = bytearray(0x350)
    head[:8] = b"biptbdsw"
    start = len(head)
    for number, section in enumerate(sections):
        row = (start, len(section), 0, len(section))
        struct.pack_into("<4I", head, 0x40 + 16 * number, *row)
        start += len(section)
    return bytes(head) + b"".join(sections)


def bcd(*entries: bytes) -> bytes:
    """A mobile dictionary: no table, everything mixed."""
    head = bytearray(0x350)
    head[:8] = b"biptbdsw"
    return bytes(head) + b"".join(entries)
