"""What a model holds to be alike."""

from __future__ import annotations

import numpy as np

from charrnn.report.chapters.parts import heading, note, shown, table
from charrnn.report.measures import Read
from charrnn.report.page import both
from charrnn.run import Run
from charrnn.store.checkpoint import WEIGHTS
from charrnn.store.weights import load_arrays

NEIGHBOURS, NEAREST = 16, 5
"""The number of characters in the table, and how many neighbours of each are shown."""


def neighbours(run: Run, read: Read | None) -> str:
    """The characters whose vectors in the embedding are nearest; nothing for a model without one."""
    weights = load_arrays(run.checkpoint.folder / WEIGHTS)
    vectors = weights.get("embedding.weight", weights.get("network.embedding.weight"))
    if vectors is None or vectors.shape[1] < 2:
        return ""
    vocabulary, count = run.vocabulary, len(run.vocabulary.characters)
    unit = vectors[:count].astype(np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    order = np.arange(count)
    if read is not None:
        order = np.argsort(-np.bincount(read.all_ids, minlength=count)[:count], kind="stable")
    letters = [i for i in order.tolist() if vocabulary.characters[i].isalnum()] or order.tolist()
    rows = []
    for one in letters[:NEIGHBOURS]:
        alike = unit @ unit[one]
        alike[one] = -np.inf
        nearest = np.argsort(-alike, kind="stable")[: min(NEAREST, count - 1)]
        near = " &ensp;".join(f"<b>{shown(vocabulary, i)}</b> <small>{alike[i]:.2f}</small>" for i in nearest.tolist())
        rows.append([f"<b>{shown(vocabulary, one)}</b>", near])
    return (
        heading("What it holds to be alike", "它以为相近的字", 3)
        + note(
            "The most frequent letters, and those with the nearest vectors in the embedding (cosine).",
            "最常见的字，与嵌入向量最接近的几个（余弦）。",
        )
        + table([both("character", "字符"), both("nearest", "最接近")], rows)
    )
