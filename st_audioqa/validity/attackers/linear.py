"""Logistic regression on hashed words: strong wherever single words or pairs tell the answer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from st_audioqa.errors import MissingPackageError
from st_audioqa.seeding import generator
from st_audioqa.validity.clues import clues
from st_audioqa.validity.posed import Posed, by_part

__all__ = ["linear"]

_STRENGTHS = (0.003, 0.03, 0.3, 3.0)
"""Inverse strengths of regularisation that are tried."""
_HELD_OUT = 0.25
"""Share of the training scenes that the strength is chosen on."""
_BUCKETS = 2**20


def linear(train: Sequence[Posed], test: Sequence[Posed], side: str = "") -> list[str]:
    """One model for every kind of question; `side` is what it knows beside (`clues.SIDE`).

    Raises
    ------
    MissingPackageError
        scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction import FeatureHasher
    except ImportError as error:
        raise MissingPackageError("scikit-learn", "validity", "The words attacker") from error
    found = [""] * len(test)
    asked = by_part(test)
    for part, rows in by_part(train).items():
        places = asked.get(part, [])
        if not places:
            continue
        hasher = FeatureHasher(_BUCKETS, input_type="string", alternate_sign=False)
        known = hasher.transform(set(clues(train[i], side)) for i in rows)
        # What comes up once cannot be learnt from, and most clues do.
        columns = np.flatnonzero(known.getnnz(axis=0) > 1)
        known = known[:, columns]
        unknown = hasher.transform(set(clues(test[i], side)) for i in places)[:, columns]
        roles = np.array([train[i].role for i in rows])
        scenes = np.array([train[i].scene.scene_id for i in rows])
        for i, role in zip(places, _guesses(known, roles, scenes, unknown), strict=True):
            found[i] = str(role)
    return found


def _guesses(known: Any, roles: Any, scenes: Any, unknown: Any) -> Any:
    """Answers of the model whose strength does best on training scenes it has not seen."""
    if len(set(roles)) == 1:
        return np.full(unknown.shape[0], roles[0])
    strength = _STRENGTHS[1]
    names = np.unique(scenes)
    apart = generator(0, "validity", "linear").random(len(names)) < _HELD_OUT
    held = np.isin(scenes, names[apart])
    if held.any() and len(set(roles[~held])) > 1:
        right = [
            (_fit(known[~held], roles[~held], each).predict(known[held]) == roles[held]).mean()
            for each in _STRENGTHS
        ]
        strength = _STRENGTHS[int(np.argmax(right))]
    return _fit(known, roles, strength).predict(unknown)


def _fit(known: Any, roles: Any, strength: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is good enough
        return LogisticRegression(C=strength, max_iter=60, tol=1e-3).fit(known, roles)
