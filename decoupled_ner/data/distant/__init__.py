"""Distant supervision: raw text labelled by a gazetteer. Its labels are noisy, never gold."""

from decoupled_ner.data.distant.audit import noise_audit
from decoupled_ner.data.distant.audit_page import audit_html, render_audit, write_audit
from decoupled_ner.data.distant.engines import Engine
from decoupled_ner.data.distant.reader import DistantReader, Wanted, read_distant
from decoupled_ner.data.distant.run import label_texts
from decoupled_ner.data.distant.settings import DistantSettings

__all__ = [
    "DistantReader",
    "DistantSettings",
    "Engine",
    "Wanted",
    "audit_html",
    "label_texts",
    "noise_audit",
    "read_distant",
    "render_audit",
    "write_audit",
]
