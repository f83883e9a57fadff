"""Exact-match span scores, where they are lost, and how sure they are. Needs numpy alone.

Scores are fractions in [0, 1] everywhere; only what is shown to people is in percent.
"""

from decoupled_ner.metrics.errors import (
    Confusion,
    ErrorKind,
    SpanError,
    confusion,
    span_errors,
)
from decoupled_ner.metrics.intervals import (
    Interval,
    PairedTest,
    bootstrap_scores,
    paired_bootstrap,
    paired_test,
    t_interval,
)
from decoupled_ner.metrics.spans import (
    Counts,
    Scores,
    candidate_recall,
    count_array,
    labels_of,
    proposed_array,
    scores,
    span_counts,
)

__all__ = [
    "Confusion",
    "Counts",
    "ErrorKind",
    "Interval",
    "PairedTest",
    "Scores",
    "SpanError",
    "bootstrap_scores",
    "candidate_recall",
    "confusion",
    "count_array",
    "labels_of",
    "paired_bootstrap",
    "paired_test",
    "proposed_array",
    "scores",
    "span_counts",
    "span_errors",
    "t_interval",
]
