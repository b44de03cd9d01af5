"""A linear classifier over hashed character n-grams: weights are one plain array, and a text's score one dot product.

Hashing needs no vocabulary, so a model is the same size whatever it was trained on, and says nothing of its data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Parameters = dict[str, npt.NDArray[np.generic]]

LENGTHS = (1, 2, 3, 4)
BITS = 16
LONGEST = 2048  # bytes of a text that are looked at
_PRIME, _MIX = np.uint64(1099511628211), np.uint64(0xBF58476D1CE4E5B9)


def _codes(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Bytes of all texts, each between a start and an end mark, and the text that each belongs to."""
    bodies = [b"\x02" + text.encode("utf-8", "replace")[:LONGEST] + b"\x03" for text in texts]
    sizes = np.array([len(body) for body in bodies], dtype=np.int64)
    flat = np.frombuffer(b"".join(bodies), dtype=np.uint8).astype(np.uint64)
    return flat, np.repeat(np.arange(len(texts), dtype=np.int64), sizes)


def _hashes(flat: npt.NDArray[np.uint64], n: int) -> npt.NDArray[np.int64]:
    """Bucket of the n-gram that starts at each place."""
    width = len(flat) - n + 1
    value = np.full(width, n, dtype=np.uint64)
    for step in range(n):
        value = (value * _PRIME) ^ flat[step : width + step]
    value = (value ^ (value >> np.uint64(29))) * _MIX
    value ^= value >> np.uint64(32)
    return (value & np.uint64((1 << BITS) - 1)).astype(np.int64)


def matrix(texts: Sequence[str]) -> sp.csr_matrix:
    """One row a text: damped n-gram counts, each row of length 1."""
    flat, owner = _codes(texts)
    rows, columns = [], []
    for n in LENGTHS:
        if len(flat) < n:
            continue
        whole = owner[: len(flat) - n + 1] == owner[n - 1 :]
        rows.append(owner[: len(flat) - n + 1][whole])
        columns.append(_hashes(flat, n)[whole])
    row = np.concatenate(rows) if rows else np.empty(0, np.int64)
    column = np.concatenate(columns) if columns else np.empty(0, np.int64)
    counted = sp.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), 1 << BITS))
    counted.sum_duplicates()
    counted.data = 1 + np.log(counted.data)
    length = np.sqrt(np.asarray(counted.multiply(counted).sum(axis=1)).ravel())
    length[length == 0] = 1
    counted.data /= np.repeat(length, np.diff(counted.indptr))
    return counted


def fit(texts: Sequence[str], truth: Bools, seed: int, strength: float = 10.0) -> Parameters:
    """Weights by logistic regression (scikit-learn). Raises ValueError when only one class is there.

    The dual solver is thirty times faster here than the default one and ends at the same weights.
    """
    from sklearn.linear_model import LogisticRegression

    if truth.all() or not truth.any():
        raise ValueError("training needs both kinds of rows: what is sought and what is ordinary")
    solver = LogisticRegression(C=strength, solver="liblinear", dual=True, tol=1e-2, max_iter=1000, random_state=seed)
    learned = solver.fit(matrix(texts), truth)
    return {"weights": learned.coef_[0].astype(np.float32), "bias": learned.intercept_.astype(np.float32)}


def score(parameters: Parameters, texts: Sequence[str]) -> Floats:
    """Probability that each text is what is sought."""
    if not texts:
        return np.empty(0)
    raw = matrix(texts) @ parameters["weights"].astype(np.float64) + float(parameters["bias"][0])
    found: Floats = 1 / (1 + np.exp(-raw))
    return found


def telling(parameters: Parameters, text: str, most: int = 3) -> list[str]:
    """The pieces of the text (3 or 4 characters) that spoke loudest for it; overlapping ones once."""
    weights = parameters["weights"].astype(np.float64)
    flat, _ = _codes([text])
    pieces: list[tuple[float, int, int]] = []
    for n in LENGTHS[2:]:
        if len(flat) >= n:
            pieces += [(float(w), at, n) for at, w in enumerate(weights[_hashes(flat, n)]) if w > 0]
    chosen: list[tuple[int, int]] = []
    for _, at, n in sorted(pieces, key=lambda piece: (-piece[0], piece[1])):
        if all(at + n <= start or end <= at for start, end in chosen):
            chosen.append((at, at + n))
        if len(chosen) == most:
            break
    body = flat.astype(np.uint8).tobytes()
    return [body[a:b].strip(b"\x02\x03").decode("utf-8", "replace") for a, b in chosen]
