"""Warm-up, stable, decay: a learning rate that does not need to know when the run will end."""

from __future__ import annotations

from dataclasses import dataclass

from decoupled_ner.types import InputError


@dataclass
class StableDecay:
    """The share of the peak rate at each step: up in a line, then 1, then down to 0 in a line,
    from wherever it is when the decay begins.

    While it is stable, a run can go on for as long as one likes; any state of it can be finished by
    a decay (Hu et al. 2024, MiniCPM, section 4).

    Args:
        warmup: steps.
        decay_share: of all steps, spent in the decay.
        steps: of the whole run, where that is known; else `begin` says when the decay begins.

    Raises:
        InputError: a setting is out of its range.
    """

    warmup: int
    decay_share: float
    steps: int | None = None
    decay_from: int | None = None
    decay_steps: int = 0
    begun: bool = False

    def __post_init__(self) -> None:
        if self.warmup < 0 or not 0 < self.decay_share < 1:
            raise InputError(
                f"warmup_steps={self.warmup} must be at least 0,"
                f" decay_share={self.decay_share} in (0, 1)"
            )
        if self.steps is not None and self.steps < 1:
            raise InputError(f"steps={self.steps} must be at least 1")
        if self.steps is not None:
            self.decay_steps = max(1, round(self.steps * self.decay_share))
            self.decay_from = self.steps - self.decay_steps

    @property
    def end(self) -> int | None:
        """How many steps there are; None while that is open."""
        return None if self.decay_from is None else self.decay_from + self.decay_steps

    def decays_at(self, step: int) -> bool:
        """Whether the decay has begun."""
        return self.decay_from is not None and step >= self.decay_from

    def begin(self, step: int) -> None:
        """Decay from here on, so that the decay takes its share of all steps."""
        self.decay_from, self.begun = step, True
        self.decay_steps = max(1, round(step * self.decay_share / (1 - self.decay_share)))

    def leave_open(self) -> None:
        """Forget when the decay begins, for `begin` to say so."""
        self.steps, self.decay_from, self.decay_steps, self.begun = None, None, 0, False

    def rate(self, step: int) -> float:
        """In [0, 1]."""
        if self.decay_from is None or not self.decays_at(step):
            return self._rising(step)
        left = self.decay_from + self.decay_steps - step
        return self._rising(self.decay_from) * max(0.0, left / self.decay_steps)

    def _rising(self, step: int) -> float:
        return min(1.0, (step + 1) / (self.warmup + 1))

    def decay_at(self, step: int) -> dict[str, int]:
        """The decay that has begun by then; {} where none has."""
        if self.decay_from is None or not self.decays_at(step):
            return {}
        return {"decay_from": self.decay_from, "decay_steps": self.decay_steps}

    def state_dict(self) -> dict[str, int]:
        """What `begin` decided; nothing where the settings say it all."""
        return self.decay_at(self.decay_from) if self.begun and self.decay_from is not None else {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on with a decay that had begun."""
        if state:
            self.decay_from, self.decay_steps = state["decay_from"], state["decay_steps"]
            self.begun = True
