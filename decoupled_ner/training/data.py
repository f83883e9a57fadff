"""Data of unified training: pairs of annotated sentences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.gazetteer import with_mentions_of
from decoupled_ner.candidates.registry import to_config
from decoupled_ner.candidates.union import Union
from decoupled_ner.data.extra import ExtraTraining
from decoupled_ner.data.mentions import named_gazetteer
from decoupled_ner.data.negatives import PROPOSED_AT_ONCE, EditScope, negative_pools
from decoupled_ner.data.out_of_fold import OutOfFold
from decoupled_ner.data.pairs import PairEncoder
from decoupled_ner.data.swaps import swapped_mentions
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.inference.model import CALIBRATION_REGIONS
from decoupled_ner.inference.proposer import (
    BestRegions,
    ProposerCandidates,
    proposers_in,
    proposes,
    with_recorded,
)
from decoupled_ner.inference.tagger import TaggerCandidates
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.proposer_inputs import ProposerInputs
from decoupled_ner.progress import batches
from decoupled_ner.training.base import check_not_negative
from decoupled_ner.training.batches import EpochBatches
from decoupled_ner.training.sentence_batches import (
    LabelledRegion,
    PairBatches,
    WindowBatches,
    gold_windows,
)
from decoupled_ner.training.sentence_data import NO_EXTRA, SentenceData
from decoupled_ner.types import Candidate, InputError, Region, Sentence


class UnifiedData(SentenceData):
    """Pairs for unified training: every entity, and negatives labelled ``O``.

    Args:
        candidates: the generators that prediction will use; they travel with the model.
        train_mentions: whether the training split's own mentions are a further generator, as in
            `decoupled_ner.candidates.gazetteer.with_mentions_of`.
        negative_nouns: a generator of nouns as negatives (the paper: LTP's); None where
            ``candidates`` propose nouns and ``negative_candidates`` makes negatives of them.
        negative_edits: regions within one edit of a mention of the same ``sentence``, of the whole
            ``dataset``, or ``none``.
        negative_candidates: whether what ``candidates`` propose on training sentences are
            negatives too; not so what a tagger among them does, since it has seen these sentences.
        train_candidates: a file of out-of-fold candidates, which ``decoupled-ner proposer --folds``
            writes: what the proposer among ``candidates`` suggests on training sentences comes from
            there, since it has seen them; on what ``extra`` adds it suggests nothing. Those of
            ``train`` do for ``train+dev``: on dev the proposer suggests by itself. Needed where
            there is one; where there is none, all that the file has are further negatives.
        gazetteer: a compiled folder or a dictionary file, or ``seed`` for the project's own: what
            it says of a mention is read beside mention and context, and it travels with the model.
            None for a model that reads none.
        proposer: folder or hub id of a trained proposer that proposes nothing, but whose scores
            the finished model reads (``read_proposer`` of `UnifiedTraining`). One that proposes
            stands among ``candidates``.
        negatives_per_positive: drawn anew each epoch; None for all of them, as in the paper.
        mention_swaps: share of the positives, drawn anew each epoch, that are read with another
            mention of their type in place of their own.
        swap_gazetteer: a compiled folder or a dictionary file that those mentions come from; by
            default the training split's own.

    Entities that a jointly trained proposer can't propose are counted in ``lost_entities``.

    Raises:
        InputError: a generator of ``candidates`` can't be saved in a model or was trained on more
            of the data set, no such data set, or a setting is out of its range.
    """

    lost_entities = 0

    def __init__(
        self,
        dataset: str,
        encoder: str,
        candidates: CandidateGenerator,
        train_mentions: bool = False,
        negative_nouns: CandidateGenerator | None = None,
        negative_edits: EditScope = "sentence",
        negative_candidates: bool = True,
        train_candidates: str | None = None,
        gazetteer: str | None = None,
        proposer: str | None = None,
        negatives_per_positive: float | None = None,
        mention_swaps: float = 0.0,
        swap_gazetteer: str | None = None,
        fit_on: str = "train",
        train_sentences: int | None = None,
        extra: ExtraTraining = NO_EXTRA,
        batch_size: int = 32,
        max_mention_tokens: int = 32,
        max_context_tokens: int = 128,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(
            dataset, encoder, fit_on, train_sentences, extra, batch_size, num_workers, seed
        )
        if negatives_per_positive is not None:
            check_not_negative(negatives_per_positive=negatives_per_positive)
        self.candidates = Union.of(candidates)
        if train_mentions:
            self.candidates = with_mentions_of(self.candidates, self.data.split(fit_on))
        if all(isinstance(g, BestRegions) and not g.budget for g in self.candidates.leaves()):
            raise InputError(
                "a proposer with a budget of 0 is only read: give other generators too"
            )
        if proposer is not None:
            if proposers_in(self.candidates):
                raise InputError(
                    "a proposer stands among the candidates already: leave out data.proposer"
                )
            self.candidates = self.candidates.plus(ProposerCandidates(proposer, budget=0))
        to_config(self.candidates)  # what can't be saved is told now, not after the training
        self._check_budget()
        if train_candidates is not None and not negative_candidates:
            raise InputError(
                f"train_candidates={train_candidates} are negatives: leave out"
                " negative_candidates=false, or them"
            )
        self.negative_generators = [
            *([negative_nouns] if negative_nouns else []),
            *(self._unseen(train_candidates) if negative_candidates else []),
        ]
        self.gazetteer = named_gazetteer(gazetteer) if gazetteer else None
        self.negative_edits: EditScope = negative_edits
        self.negatives_per_positive = negatives_per_positive
        self.swaps = swapped_mentions(
            mention_swaps, swap_gazetteer, self.labels, self.data.split(fit_on)
        )
        self.max_mention_tokens, self.max_context_tokens = max_mention_tokens, max_context_tokens
        self._pairs: tuple[list[LabelledRegion], list[LabelledRegion]] | None = None
        self._windows: Callable[..., WindowBatches] | None = None

    def try_generators(self) -> None:
        """Have each generator propose once, so that one that can't (LTP without its model) is told
        before anything is written."""
        text = self.training_sentences[0].text
        for generator in (self.candidates, *self.negative_generators):
            generator.propose(text)

    def _check_budget(self) -> None:
        """Raise an `InputError` if a generator was trained on more of this data set than the model
        will be: its candidates would bring in what that is not to know. The files tell the set,
        which may have several names (``weibo:nom``)."""
        own = self.trained_on
        for generator in self.candidates.leaves():
            seen = generator.trained_on or {}
            same = seen.get("checksums") == own["checksums"]
            if same and (count := seen["sentences"]) > own["sentences"]:
                raise InputError(
                    f"the {generator.name} among the candidates was trained on {count} sentences of"
                    f" {self.data.name!r}, this run's model would be on {own['sentences']}: train"
                    " both with the same --data.train_sentences and --data.fit_on"
                )

    def train_proposer(self, inputs: ProposerInputs, batch_size: int) -> None:
        """Have each batch of pairs bring so many windows of sentences for a proposer, over all
        processes."""
        windows, self.lost_entities = gold_windows(inputs, self.training_sentences)
        self._windows = partial(
            WindowBatches, inputs, windows, batch_size=batch_size, seed=self.seed
        )

    def _unseen(self, path: str | None) -> list[CandidateGenerator]:
        """The candidate generators without those that have seen the training sentences: a proposer
        is replaced by what others suggest that have not, a tagger is left out. Without a proposer,
        what those others suggest stands beside."""
        union, beside = self.candidates, list[CandidateGenerator]()
        if path is not None:
            recorded = OutOfFold.read(path)
            splits = self.fit_on.split("+")
            seen = recorded.facts.get("fit_on", self.fit_on)
            seen = seen if seen in splits else self.fit_on
            recorded.check(self.data, (s.text for s in self.data.split(seen)))
            if proposes(union):
                others = (name for name in splits if name not in seen.split("+"))
                further = [s.text for name in others for s in self.data.split(name)]
                union = with_recorded(union, recorded, further)
            else:
                beside.append(recorded.generator(recorded.facts["budget"]))
        elif proposes(union):
            raise InputError(
                "a proposer may have seen the training sentences: --data.train_candidates FILE"
                " takes out-of-fold candidates, --data.negative_candidates=false does without"
            )
        unseen = union.without(TaggerCandidates)
        return [unseen, *beside] if unseen else beside

    def pairs(self) -> tuple[list[LabelledRegion], list[LabelledRegion]]:
        """Every positive and the whole pool of negatives of the split that is trained on."""
        if self._pairs is None:
            sentences = self.training_sentences
            positives = [
                LabelledRegion(index, entity.region, self.data.labels.id(entity.label))
                for index, sentence in enumerate(sentences)
                for entity in sentence.entities
            ]
            pools = negative_pools(
                sentences, self.negative_generators, self.negative_edits, self.shows_progress
            )
            negatives = [LabelledRegion(i, r, 0) for i, pool in enumerate(pools) for r in pool]
            self._pairs = positives, negatives
        return self._pairs

    def negatives_per_epoch(self) -> int:
        """How many negatives an epoch trains on."""
        positives, negatives = self.pairs()
        if self.negatives_per_positive is None:
            return len(negatives)
        return min(len(negatives), round(self.negatives_per_positive * len(positives)))

    def items_per_epoch(self) -> int:
        return len(self.pairs()[0]) + self.negatives_per_epoch()

    def identity(self) -> dict[str, Any]:
        digest = None if self.gazetteer is None else self.gazetteer.digest
        return {**super().identity(), "gazetteer": digest, "set of pairs": self._pairs_digest}

    @cached_property
    def _pairs_digest(self) -> str:
        """Of what an epoch's pairs are drawn from, in its order, which depends on the candidate
        generators and on the gazetteer that mentions are swapped with."""
        pairs = [
            [(p.sentence, p.region.start, p.region.end, p.label) for p in part]
            for part in self.pairs()
        ]
        swaps = self.swaps.mentions if self.swaps.share else None
        return hashlib.sha256(json.dumps([pairs, swaps]).encode()).hexdigest()

    def label_counts(self) -> list[int]:
        """Pairs of each label in an epoch, ``O`` first."""
        positives, _ = self.pairs()
        counts = [0] * len(self.labels)
        counts[0] = self.negatives_per_epoch()
        for pair in positives:
            counts[pair.label] += 1
        return counts

    def training_batches(self, rank: int, world_size: int) -> EpochBatches:
        positives, negatives = self.pairs()
        encoder = PairEncoder(
            load_tokenizer(self.encoder),
            self.max_mention_tokens,
            self.max_context_tokens,
            self.known_types(),
        )
        texts = [sentence.text for sentence in self.training_sentences]
        return PairBatches(
            encoder,
            encoder.tokenize_batch(texts),
            positives,
            negatives,
            self.negatives_per_epoch(),
            self.swaps,
            batch_size=self.batch_size,
            seed=self.seed,
            rank=rank,
            world_size=world_size,
            windows=self._windows(rank=rank, world_size=world_size) if self._windows else None,
        )

    def known_types(self) -> KnownTypes | None:
        """What looks mentions up in the gazetteer; None without one."""
        return None if self.gazetteer is None else KnownTypes(self.gazetteer)

    @cached_property
    def calibration(self) -> tuple[list[str], list[list[Region]]]:
        """The first dev sentences and their candidates, enough to tell how far contexts reach; none
        where all of dev is too little."""
        texts, regions, count = list[str](), list[list[Region]](), 0
        for sentence in self.data.split("dev"):
            texts.append(sentence.text)
            regions.append([found.region for found in self.candidates.candidates(sentence.text)])
            count += len(regions[-1])
            if count >= CALIBRATION_REGIONS:
                return texts, regions
        return [], []

    def evaluation_candidates(self, sentences: Sequence[Sentence]) -> list[list[Candidate]]:
        found: list[list[Candidate]] = []
        what, shown = "proposing regions of dev", self.shows_progress
        for batch in batches(sentences, PROPOSED_AT_ONCE, what, shown=shown):
            found += self.candidates.candidates_batch([sentence.text for sentence in batch])
        return found
