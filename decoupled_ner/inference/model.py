"""What users load: a decoupled model with its tokenizer and its candidate generators."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Self

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.registry import generator_from_config, to_config
from decoupled_ner.candidates.union import Union
from decoupled_ner.inference.compute import DType, autocast_dtype, ready
from decoupled_ner.inference.decoding import ScoredCandidate, decode, explanations
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.inference.scoring import RegionScorer
from decoupled_ner.locations import runs_folder
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_tokenizer, load_weights, quiet_transformers
from decoupled_ner.types import Candidate, Entity, InputError


class DecoupledNER(Recognizer):
    """Finds entities: generators propose regions, the model labels each, overlaps are resolved.

    Args:
        model: the network; its config holds labels, overlap policy and outside bias.
        tokenizer: the encoder's fast tokenizer.
        generator: proposes the candidates.
        device: ``cpu``, ``cuda``, ``cuda:1`` …; ``auto`` takes a GPU where there is one.
        dtype: to compute in; ``bfloat16`` is two to three times as fast on a CPU that has it, with
            scores that differ in the third decimal.

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
        *,
        device: str = "auto",
        dtype: DType = "float32",
    ) -> None:
        self.model = ready(model, device)
        self.tokenizer = tokenizer
        self.generator = Union.of(generator)
        self._scorer = RegionScorer(self.model, tokenizer, autocast=autocast_dtype(dtype))

    @property
    def config(self) -> DecoupledConfig:
        """The model's settings."""
        config: DecoupledConfig = self.model.config
        return config

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, device: str = "auto", dtype: DType = "float32"
    ) -> Self:
        """Load what :meth:`save_pretrained` wrote, from a directory or a hub id.

        Raises:
            InputError: there is no such model, or what lies there is no decoupled model.
        """
        directory = model_directory(name_or_path)
        config = DecoupledConfig.from_pretrained(directory)
        if config.model_type != DecoupledConfig.model_type or config.candidates is None:
            raise InputError(f"{name_or_path}: not a decoupled model with candidate generators")
        model = load_weights(DecoupledModel, directory, config)
        return cls(
            model,
            load_tokenizer(str(directory)),
            generator_from_config(config.candidates, directory),
            device=device,
            dtype=dtype,
        )

    def save_pretrained(self, directory: str | Path) -> Path:
        """Write weights (safetensors), configuration, tokenizer and gazetteers. What was there is
        replaced only once everything is written."""
        with replacing(Path(directory)) as fresh:
            self.config.candidates = to_config(self.generator, fresh)
            with quiet_transformers():
                self.model.save_pretrained(fresh)
            self.tokenizer.save_pretrained(fresh)
        return Path(directory)

    def recognize(
        self, sentences: Sequence[str]
    ) -> tuple[list[list[Entity]], list[list[Candidate]]]:
        candidates, logits = self._scored(sentences)
        entities = [
            decode(text, proposed, scores, self.config)
            for text, proposed, scores in zip(sentences, candidates, logits, strict=True)
        ]
        return entities, candidates

    def explain(self, sentence: str) -> list[ScoredCandidate]:
        """Every candidate of a sentence: what the three classifiers say and who proposed it."""
        (candidates,), (logits,) = self._scored([sentence])
        return explanations(sentence, candidates, logits, self.config)

    def _scored(self, sentences: Sequence[str]) -> tuple[list[list[Candidate]], list[Tensor]]:
        candidates = self.generator.candidates_batch(sentences)
        regions = [[candidate.region for candidate in proposed] for proposed in candidates]
        return candidates, self._scorer.score(sentences, regions)


def model_directory(name_or_path: str | Path) -> Path:
    """A local directory as it is; a hub id's files, downloaded if need be.

    Raises:
        InputError: neither a directory with a ``config.json`` nor a reachable hub id.
    """
    path = Path(name_or_path)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(f"{path}: no config.json there; give a folder that holds a model")
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name_or_path)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"model {str(name_or_path)!r} is neither a directory nor a hub id that can be reached"
        ) from error


def unused_name(directory: Path, name: str) -> str:
    """``name``, or with a number behind it where the directory has something of that name."""
    names = (f"{name}-{number}" if number > 1 else name for number in count(1))
    return next(name for name in names if not (directory / name).exists())


class replacing:
    """A fresh folder beside ``directory`` that takes its place when the block ends well.

    Raises:
        InputError: what lies there is no model, and would be lost.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        if directory.exists() and not _is_replaceable(directory):
            raise InputError(
                f"{directory}: holds something else than a model; choose another folder"
            )

    def __enter__(self) -> Path:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._fresh = Path(
            tempfile.mkdtemp(prefix=f".{self.directory.name}-", dir=self.directory.parent)
        )
        return self._fresh

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None:
            shutil.rmtree(self._fresh, ignore_errors=True)
            return
        self._fresh.chmod(0o755)
        for path in self._fresh.rglob("*"):  # safetensors writes files that only their owner reads
            path.chmod(0o755 if path.is_dir() else 0o644)
        if self.directory.exists():
            old = self._fresh.with_name(self._fresh.name + "-old")
            self.directory.rename(old)
            self._fresh.rename(self.directory)
            shutil.rmtree(old, ignore_errors=True)
        else:
            self._fresh.rename(self.directory)


def _is_replaceable(directory: Path) -> bool:
    """Whether it is an empty folder, or one that holds a model of ours."""
    if not directory.is_dir():
        return False
    config = directory / "config.json"
    ours = config.is_file() and '"model_type": "decoupled-ner' in config.read_text("utf-8")
    return ours or not any(directory.iterdir())


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


@lru_cache(maxsize=1)
def _load_default(directory: Path, changed: float) -> DecoupledNER:
    del changed  # a model trained anew in the same place is loaded anew
    return DecoupledNER.from_pretrained(directory)


def predict_regions(sentence: str) -> list[Entity]:
    """The entities of one sentence, by the default model, which is loaded on the first call.

    Raises:
        InputError: there is no default model (see :func:`default_model`).
    """
    directory = default_model()
    changed = (directory / "config.json").stat().st_mtime if directory.is_dir() else 0.0
    return _load_default(directory, changed).predict_regions(sentence)
