"""What each token of a vocabulary writes, and which tokens may stand for one another."""

from __future__ import annotations

import torch
from tokenizers.models import WordPiece
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.models.encoder import plain_tokenizer


class Surfaces:
    """The characters of V tokens, and their kinds.

    Two tokens are of a kind when both begin a word or neither does, and both are digits, other
    ASCII, other letters or other signs.

    Args:
        tokenizer: the encoder's.
        keep_length: whether tokens of a kind also have as many characters.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, keep_length: bool) -> None:
        self._keep_length = keep_length
        backend = plain_tokenizer(tokenizer)
        pieces = isinstance(backend.model, WordPiece)
        special = set(tokenizer.all_special_ids)
        kinds: dict[tuple[object, ...] | None, int] = {None: -1}
        self.texts: list[str | None] = []
        ids = []
        for id, token in enumerate(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))):
            text = token.removeprefix("##") if pieces else backend.decode([id]).strip()
            if id in special or not _is_written(text):
                self.texts.append(None)
                ids.append(-1)
                continue
            inside = token.startswith("##") if pieces else token[:1] not in "Ġ▁"
            length = len(text) if keep_length else 0
            kind = (inside, text.isdecimal(), text.isascii(), text.isalnum(), length)
            self.texts.append(text)
            ids.append(kinds.setdefault(kind, len(kinds) - 1))
        #: (V,), -1 for tokens that write nothing of their own.
        self.kinds: Tensor = torch.tensor(ids)
        counts = torch.bincount(self.kinds + 1)
        #: (V,) bool: whether no other token is of its kind.
        self.alone: Tensor = counts[self.kinds + 1] == 1

    def fits(self, id: int, length: int) -> bool:
        """Whether a token that stands for ``length`` characters can be replaced. Tokenizers drop
        accents, so that it may write fewer than it stands for."""
        text = self.texts[id]
        return text is not None and (not self._keep_length or len(text) == length)


def _is_written(text: str) -> bool:
    """Not for parts of a character, nor for placeholders such as ``[unused1]``."""
    return bool(text) and "\ufffd" not in text and (len(text) == 1 or text.isalnum())
