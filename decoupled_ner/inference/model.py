"""What users load: a decoupled model with its tokenizer and its candidate generators."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.overlap import check_policy
from decoupled_ner.candidates.registry import generator_from_config, to_config
from decoupled_ner.candidates.union import Union
from decoupled_ner.gazetteer import Gazetteer, KnownTypes, load_gazetteer
from decoupled_ner.inference.compute import DType, autocast_dtype, ready
from decoupled_ner.inference.decoding import (
    ScoredCandidate,
    bias_for_f1,
    decode,
    explanations,
    gold_labels,
)
from decoupled_ner.inference.folders import config_of, model_directory, replacing
from decoupled_ner.inference.own_proposer import with_own_proposer, without_own_proposer
from decoupled_ner.inference.proposals import readable_proposer, scored_candidates
from decoupled_ner.inference.proposer import BestRegions
from decoupled_ner.inference.reading import Reading
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.inference.scoring import RegionScorer
from decoupled_ner.inference.tagger import TaggerCandidates
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.locations import runs_folder
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_tokenizer, load_weights, quiet_transformers
from decoupled_ner.types import Candidate, Entity, InputError, Sentence

#: How many candidates `DecoupledNER.calibrate` needs.
CALIBRATION_REGIONS = 1000


class DecoupledNER(Recognizer):
    """Finds entities: generators propose regions, the model labels each, overlaps are resolved.

    Args:
        model: the network; its config holds labels, overlap policy and outside bias.
        tokenizer: the encoder's fast tokenizer.
        generator: proposes the candidates, beside the model's own proposer where it has one. Its
            proposers then compute in ``dtype`` too.
        gazetteer: where a model that reads one looks mentions up.
        device: ``cpu``, ``cuda``, ``cuda:1`` …; ``auto`` takes a GPU where there is one.
        dtype: to compute in; ``bfloat16`` is faster on a CPU that computes in it, with scores that
            differ in the third decimal.
        prune: read contexts only of mentions that one can make an entity, as far as `calibrate` has
            seen contexts reach; up to three times as fast, and the same entities but for one in
            thousands.

    Example:
        >>> ner = DecoupledNER.from_pretrained("runs/unify/demo/zh-small/seed-1/model")
        >>> ner.predict_regions("篮协成立于1956年6月")
        [Entity(start=0, end=2, text='篮协', label='ORG', score=0.98)]
    """

    def __init__(
        self,
        model: DecoupledModel,
        tokenizer: PreTrainedTokenizerBase,
        generator: CandidateGenerator,
        gazetteer: Gazetteer | None = None,
        *,
        device: str = "auto",
        dtype: DType = "float32",
        prune: bool = True,
    ) -> None:
        self.model = ready(model, device)
        self.tokenizer = tokenizer
        self.generator = with_own_proposer(Union.of(generator), self.model, tokenizer)
        for found in self.generator.leaves():
            if isinstance(found, BestRegions):
                found.proposer.compute_on(str(self.model.device), dtype)
            elif isinstance(found, TaggerCandidates):
                found.tagger.compute_on(str(self.model.device), dtype)
        self.gazetteer = gazetteer
        self.prune = prune
        self._known = self._known_types()
        if self.config.proposer_reading:
            readable_proposer(self.generator)
        self._scorer = RegionScorer(
            self.model, tokenizer, self._known, autocast=autocast_dtype(dtype)
        )

    def _known_types(self) -> KnownTypes | None:
        if not self.config.gazetteer_labels:
            if self.gazetteer is not None:
                raise InputError("this model was trained without a gazetteer: give it none")
            return None
        if self.gazetteer is None:
            raise InputError("this model reads a gazetteer: give it one")
        read = self.config.gazetteer_labels
        types = set(read) - {OUTSIDE}
        if types and not types & set(self.gazetteer.labels):
            raise InputError(
                f"this model reads {', '.join(read)} of a gazetteer, and this one has"
                f" {', '.join(self.gazetteer.labels) or 'nothing'}: give it the same types"
            )
        return KnownTypes(self.gazetteer, read)

    @property
    def config(self) -> DecoupledConfig:
        """The model's settings."""
        config: DecoupledConfig = self.model.config
        return config

    @property
    def may_overlap(self) -> bool:
        return self.config.overlap != "best"

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "auto",
        dtype: DType = "float32",
        overlap: str | None = None,
        gazetteer: str | Path | None = None,
        prune: bool = True,
    ) -> Self:
        """Load what :meth:`save_pretrained` wrote, from a directory or a hub id.

        Args:
            overlap: what becomes of entities that overlap: ``best``, ``outermost`` or ``nested``
                (see `candidates.resolve`); None for the policy that was saved with the model.
            gazetteer: a compiled folder or dictionary file for a model that reads a gazetteer, in
                place of the one that was saved with it, e.g. with entries that are new since.
            prune: as above; False reads the context of every candidate.

        Raises:
            InputError: there is no such model, what lies there is no decoupled model, there is
                no such device or overlap policy, or the model reads no gazetteer.
        """
        if overlap is not None:
            check_policy(overlap)
        directory = model_directory(name_or_path)
        config = config_of(DecoupledConfig, directory)
        if config.model_type != DecoupledConfig.model_type or config.candidates is None:
            raise InputError(f"{name_or_path}: not a decoupled model with candidate generators")
        config.overlap = overlap or config.overlap
        if gazetteer is not None and not config.gazetteer_labels:
            raise InputError(f"{name_or_path}: this model was trained without a gazetteer")
        if gazetteer is None and config.gazetteer is not None:
            gazetteer = directory / config.gazetteer
        model = load_weights(DecoupledModel, directory, config)
        return cls(
            model,
            load_tokenizer(str(directory)),
            generator_from_config(config.candidates, directory),
            load_gazetteer(gazetteer) if gazetteer is not None else None,
            device=device,
            dtype=dtype,
            prune=prune,
        )

    def calibrate(self, sentences: Sequence[str]) -> None:
        """Measure how far contexts reach, for ``prune``, on some hundred sentences of the kind that
        the model is for. Training does so; what was measured is saved with the model. Fewer than
        `CALIBRATION_REGIONS` candidates tell too little: then all contexts are read."""
        candidates = self.generator.candidates_batch(sentences)
        regions = [[candidate.region for candidate in found] for found in candidates]
        enough = sum(map(len, regions)) >= CALIBRATION_REGIONS
        reach = self._scorer.context_reach(sentences, regions) if enough else []
        self.config.context_reach = reach

    def read_proposer(self, sentences: Sequence[Sentence], *, for_f1: bool = True) -> None:
        """Have the global classifier read what the proposer among the generators thinks of a
        region. How, is fitted on annotated sentences that neither was trained on; it is saved with
        the model.

        Args:
            for_f1: also set the outside bias to where F1 is highest on these sentences
                (`decoding.bias_for_f1`); else it stays.

        Raises:
            InputError: there is no proposer among the generators, there are no sentences with
                entities among the candidates, or one has a label that the model lacks.
        """
        if not sentences:
            raise InputError("how a proposer is read is fitted on annotated sentences: give some")
        texts = [sentence.text for sentence in sentences]
        candidates, scores = scored_candidates(self.generator, texts)
        regions = [[candidate.region for candidate in found] for found in candidates]
        logits = torch.cat(self._scorer.score(texts, regions))
        gold = gold_labels(sentences, candidates, self.config.labels)
        flat = torch.tensor([score for of_text in scores for score in of_text])
        reading = Reading.fit(logits[:, 0], flat, gold)
        self.config.proposer_reading = list(reading)
        if for_f1:
            logits[:, 0] = reading.apply(logits[:, 0], flat)
            read = logits.split([len(found) for found in candidates])
            self.config.outside_bias = bias_for_f1(sentences, candidates, read, self.config)

    def save_pretrained(self, directory: str | Path) -> Path:
        """Write weights (safetensors), configuration, tokenizer and gazetteers. What was there is
        replaced only once everything is written."""
        with replacing(Path(directory)) as fresh:
            self.config.candidates = to_config(without_own_proposer(self.generator), fresh)
            if self.gazetteer is not None:
                self.config.gazetteer = f"gazetteer-{self.gazetteer.digest[:12]}"
                self.gazetteer.save(fresh / self.config.gazetteer)
            self.model.keep_operating_points()
            with quiet_transformers():
                self.model.save_pretrained(fresh)
            self.tokenizer.save_pretrained(fresh)
        return Path(directory)

    def recognize(
        self, sentences: Sequence[str]
    ) -> tuple[list[list[Entity]], list[list[Candidate]]]:
        candidates, _, logits = self._scored(sentences, prune=self.prune)
        entities = [
            decode(text, proposed, scores, self.config)
            for text, proposed, scores in zip(sentences, candidates, logits, strict=True)
        ]
        return entities, candidates

    def explain(self, sentence: str) -> list[ScoredCandidate]:
        """Every candidate of a sentence: what the three classifiers, and a gazetteer and a proposer
        that the model reads, say, and who proposed it."""
        (candidates,), scores, (logits,) = self._scored([sentence])
        own = None if scores is None else scores[0]
        return explanations(sentence, candidates, logits, self.config, self._known, own)

    def _scored(
        self, sentences: Sequence[str], prune: bool = False
    ) -> tuple[list[list[Candidate]], list[list[float]] | None, list[Tensor]]:
        """Candidates, a proposer's scores where it is read, and logits, by sentence."""
        scores: list[list[float]] | None = None
        if self.config.proposer_reading:
            candidates, scores = scored_candidates(self.generator, sentences)
        else:
            candidates = self.generator.candidates_batch(sentences)
        regions = [[candidate.region for candidate in proposed] for proposed in candidates]
        return candidates, scores, self._scorer.score(sentences, regions, scores, prune=prune)


def default_model() -> Path:
    """The model that :func:`predict_regions` uses: ``$DECOUPLED_NER_MODEL``, else the one trained
    last under ``$DECOUPLED_NER_RUNS`` (``runs`` in the working directory).

    Raises:
        InputError: there is none.
    """
    if named := os.environ.get("DECOUPLED_NER_MODEL"):
        return Path(named)
    runs = runs_folder()
    trained = [
        config.parent
        for config in runs.glob("unify/*/*/seed-*/model/config.json")
        if "~" not in config.parent.parent.name
    ]
    if not trained:
        raise InputError(
            f"no trained model under {runs.resolve()}: run `make demo`, or set DECOUPLED_NER_MODEL"
        )
    return max(trained, key=lambda directory: (directory / "config.json").stat().st_mtime)


_loading = Lock()


@lru_cache(maxsize=1)
def _load_default(directory: Path, changed: float) -> DecoupledNER:
    del changed  # a model trained anew in the same place is loaded anew
    return DecoupledNER.from_pretrained(directory)


def predict_regions(sentence: str) -> list[Entity]:
    """The entities of one sentence, by the default model, which is loaded on the first call.

    Raises:
        InputError: there is no default model (see :func:`default_model`), or it can't be loaded.
    """
    directory = default_model()
    config = directory / "config.json"
    changed = config.stat().st_mtime if config.is_file() else 0.0
    with _loading:  # threads that all come first load it once
        model = _load_default(directory, changed)
    return model.predict_regions(sentence)
