"""Readers of input-method dictionaries: Sogou ``.scel``, Baidu ``.bdict`` and ``.bcd``.

The formats are undocumented; what is here was found in real files. Every number in a file is
checked against the bytes that are there before it is used, so a damaged file cannot make the
reader hang or allocate more than the file's own size: it ends in an `InputError` that names the
byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from decoupled_ner.types import InputError

_SCEL_MAGIC = b"\x40\x15\x00\x00"
_SCEL_GROUPS = 0x120  # u32: how many groups of words that sound alike; may be wrong
_SCEL_SYLLABLES = 0x1540  # u16 count, u16 0, then (u16 number, u16 bytes, UTF-16 text) each
_SCEL_BLACKLIST = "DELTBL".encode("utf-16-le")  # then come words to delete, not words

_BAIDU_MAGIC = b"biptbdsw"
_BAIDU_SECTIONS = 0x40  # three times (u32 start, u32 bytes, u32 0, u32 bytes again), in order
_BAIDU_WORDS = 0x350
_BAIDU_INITIALS = 24  # syllable codes are (initial, final); a first byte above is a letter


class _Bytes:
    """A cursor over a file's bytes that never reads past ``end``."""

    def __init__(self, path: Path, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.path, self.data, self.at = path, data, at
        self.end = len(data) if end is None else end
        if not 0 <= at <= self.end <= len(data):
            raise self.error(f"expected bytes up to {self.end}, the file has {len(data)}")

    def error(self, what: str, at: int | None = None) -> InputError:
        return InputError(f"{self.path}: byte {self.at if at is None else at:#x}: {what}")

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def take(self, count: int) -> bytes:
        if count > self.end - self.at:
            raise self.error(f"expected {count} more bytes, only {self.end - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def text(self, count: int) -> str:
        """``count`` bytes of UTF-16."""
        start = self.at
        try:
            return self.take(count).decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise self.error(f"not UTF-16 ({error.reason})", start + error.start) from error

    def done(self) -> bool:
        return self.at >= self.end


def read_scel(path: Path) -> Iterator[str]:
    """The words of a Sogou dictionary, in its order.

    Words begin where the syllable table ends: at 0x2628 in most files, later where the table has
    letters too. Trailing blacklists are left out. A hot-word update (no syllable, no group) has no
    word that could be read.
    """
    data = path.read_bytes()
    if not data.startswith(_SCEL_MAGIC):
        raise InputError(f"{path}: byte 0x0: not a Sogou .scel dictionary; check the format")
    groups = _Bytes(path, data, _SCEL_GROUPS).u32()
    cursor = _Bytes(path, data, _SCEL_SYLLABLES)
    syllables = cursor.u32() & 0xFFFF
    if groups == 0 and syllables == 0:
        return
    for _ in range(syllables):
        cursor.take(2)
        cursor.take(cursor.u16())
    read = 0
    while not cursor.done() and not data.startswith(_SCEL_BLACKLIST, cursor.at):
        if read >= groups > 0 and not _scel_words_here(cursor):
            return  # all that was promised is read; this is a block of another kind
        words = _scel_group(cursor)
        yield from words
        read += 1


def _scel_words_here(cursor: _Bytes) -> bool:
    """Whether a group of words may begin here: what follows the groups has a zero there."""
    return any(cursor.data[cursor.at : cursor.at + 2])


def _scel_group(cursor: _Bytes) -> list[str]:
    """One group: the syllables that its words share, then the words."""
    start = cursor.at
    words, syllable_bytes = cursor.u16(), cursor.u16()
    if words == 0 or syllable_bytes % 2:
        raise cursor.error(f"a group of {words} words, {syllable_bytes} bytes of syllables", start)
    cursor.take(syllable_bytes)
    found = []
    for _ in range(words):
        found.append(cursor.text(cursor.u16()))
        cursor.take(cursor.u16())  # a frequency or a sequence number, depending on the file
    return found


def read_bdict(path: Path) -> Iterator[str]:
    """The words of a Baidu dictionary: of ``.bdict`` (desktop) and of ``.bcd`` (mobile) alike.

    A desktop file lists up to three sections: words coded by syllables, ASCII words, and words
    with their romanisation spelt out. A mobile file lists none and mixes them.
    """
    data = path.read_bytes()
    if not data.startswith(_BAIDU_MAGIC):
        raise InputError(f"{path}: byte 0x0: not a Baidu dictionary; check the format")
    table = _Bytes(path, data, _BAIDU_SECTIONS)
    sections = [(table.at, table.u32(), table.u32(), table.take(8))[:3] for _ in range(3)]
    if not any(size for _, _, size in sections):
        sections = [(_BAIDU_SECTIONS, _BAIDU_WORDS, max(0, len(data) - _BAIDU_WORDS))]
    end = 0
    for row, start, size in sections:
        if size:
            if start < end:
                raise table.error(f"a section at {start:#x}, inside the one before", row)
            end = start + size
            cursor = _Bytes(path, data, start, end)
            while not cursor.done():
                yield _baidu_word(cursor)


def _baidu_word(cursor: _Bytes) -> str:
    """One entry; its first bytes tell which of the four kinds it is.

    ``n weight n×(initial, final) n×char``, ``n weight n×ascii``, ``n weight 0 m n×char m×char``
    (romanisation, word), ``0 weight n m n×char m×char`` (the same).
    """
    length = cursor.u16()
    cursor.u16()  # a weight in .bcd, 0 in .bdict
    if length == 0:
        romanised, length = cursor.u16(), cursor.u16()
        cursor.take(2 * romanised)
        return cursor.text(2 * length)
    first = cursor.take(2) if length > 1 else cursor.take(1)
    if _BAIDU_INITIALS <= first[0] < 0x80:
        start = cursor.at - len(first)
        word = first + cursor.take(length - len(first))
        if not word.isascii():
            raise cursor.error("expected an ASCII word", start)
        return word.decode("ascii")
    if len(first) == 1:
        first += cursor.take(1)
    if first == b"\x00\x00":
        romanised, length = length, cursor.u16()
        cursor.take(2 * romanised)
        return cursor.text(2 * length)
    cursor.take(2 * (length - 1))
    return cursor.text(2 * length)
