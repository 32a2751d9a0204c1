"""Random tracks for the SELD metrics, always the same for one seed."""

from __future__ import annotations

import numpy as np

from st_audioqa.evaluation.seld import FrameRows

CASES = {
    "one-class": {"seed": 1, "n_classes": 1, "n_recordings": 1, "most": 1, "noise": 0.1},
    "clean": {"seed": 2, "n_classes": 4, "n_recordings": 3, "most": 1, "noise": 0.05},
    "same-class": {"seed": 3, "n_classes": 3, "n_recordings": 4, "most": 3, "noise": 0.3},
    "noisy": {"seed": 4, "n_classes": 13, "n_recordings": 6, "most": 2, "noise": 1.0},
    "sparse": {"seed": 5, "n_classes": 13, "n_recordings": 3, "most": 1, "noise": 0.2},
}
"""Names and settings of the random cases."""


def random_tracks(
    seed: int, n_classes: int, n_recordings: int, most: int, noise: float
) -> tuple[FrameRows, FrameRows, list[int]]:
    """Truth, predictions and the number of frames of each recording.

    Predictions are the truth with noise, with rows lost and rows invented.
    """
    random = np.random.default_rng(seed)
    n_frames = [int(each) for each in random.integers(37, 123, n_recordings)]
    true: list[list[float]] = []
    given: list[list[float]] = []
    for recording, length in enumerate(n_frames):
        for label in range(n_classes):
            if label == 12 and recording != 1:
                continue  # a class that hardly ever sounds
            for _ in range(int(random.integers(0, most + 1))):
                start = int(random.integers(0, length))
                stop = min(length, start + int(random.integers(1, 60)))
                place = random.normal(size=3)
                drift = random.normal(size=3) * 0.03
                for frame in range(start, stop):
                    vector = place + drift * (frame - start)
                    vector /= np.linalg.norm(vector)
                    distance = 1.0 + 2.0 * abs(np.sin(label + frame / 40.0))
                    true.append([recording, frame, label, *vector, distance])
                    if random.random() < 0.75:
                        guess = vector + noise * random.normal(size=3)
                        guess /= np.linalg.norm(guess)
                        metres = distance * float(np.exp(0.5 * random.normal()))
                        other = label if random.random() < 0.9 else (label + 1) % n_classes
                        given.append([recording, frame, other, *guess, metres])
        for _ in range(int(random.integers(0, 30))):
            vector = random.normal(size=3)
            vector /= np.linalg.norm(vector)
            frame, label = int(random.integers(0, length)), int(random.integers(0, n_classes))
            given.append([recording, frame, label, *vector, float(random.uniform(0.5, 4.0))])
    return _rows(true), _rows(given), n_frames


def _rows(values: list[list[float]]) -> FrameRows:
    table = np.array(values, dtype=float).reshape(-1, 7)
    order = np.lexsort((table[:, 1], table[:, 0]))
    recording, frame, label = table[order, :3].T.astype(np.int64)
    return FrameRows(recording, frame, label, table[order, 3:6], table[order, 6])
