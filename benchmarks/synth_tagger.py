"""An AudioSet tagger as an ear for `synth_bench.py`: YAMNet as an 8-bit ONNX file.

Its folder holds `model.onnx` and `yamnet_class_map.csv`; both are in the package sead 0.2.1.
Wants `onnxruntime` and `onnx`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from scipy import signal

RATE = 16_000
PATCH, HOP = 96, 48
"""Frames of 10 ms that the network sees at once, and from one view to the next."""


class Tagger:
    """Scores of 521 classes for a sound.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        model = next(folder.rglob("model.onnx"))
        labels = next(folder.rglob("yamnet_class_map.csv")).read_text("utf-8").splitlines()
        self.names = [row["display_name"] for row in csv.DictReader(labels)]
        graph = onnx.load(str(model), load_external_data=False).graph
        self._quantised = {
            item.name: float(onnx.numpy_helper.to_array(item))
            for item in graph.initializer
            if item.name.startswith(("audio_", "class_scores_"))
            and item.name.endswith(("_scale", "_zero_point"))
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options)
        self._mel = _mel_bands()

    def scores(self, waveform: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of a sound's mean and highest score over time, for each class.

        Parameters
        ----------
        waveform : ndarray [shape=(n_samples,)]
            At 32 kHz.
        """
        sound = signal.resample_poly(waveform.astype(np.float64), 1, 2)
        sound = np.pad(sound, (0, max(0, RATE - len(sound)))) * (0.7 / np.abs(sound).max())
        frames = (
            np.lib.stride_tricks.sliding_window_view(sound, 400)[::160] * np.hanning(401)[1:]
        )
        log_mel = np.log(np.abs(np.fft.rfft(frames, 512)) @ self._mel + 1e-3)
        scale, zero = (
            self._quantised["class_scores_scale"],
            self._quantised["class_scores_zero_point"],
        )
        rows = []
        for start in range(0, max(1, len(log_mel) - PATCH + 1), HOP):
            patch = log_mel[start : start + PATCH] / self._quantised["audio_scale"]
            codes = np.round(patch + self._quantised["audio_zero_point"]).clip(0, 255)
            (logits,) = self._session.run(None, {"audio": codes.astype(np.uint8)[None, None]})
            rows.append(1 / (1 + np.exp(-scale * (logits[0].astype(np.float64) - zero))))
        mean_and_top = 0.5 * np.mean(rows, axis=0) + 0.5 * np.max(rows, axis=0)
        mean_and_top[self.names.index("Silence")] = 0.0
        return np.asarray(mean_and_top)


def _mel_bands() -> NDArray[np.float64]:
    """64 triangles from 125 to 7500 Hz [shape=(257, 64)]."""
    bins = np.fft.rfftfreq(512, 1 / RATE)[:, None]
    low, high = np.log1p(np.array([125.0, 7500.0]) / 700)
    edges = 700 * np.expm1(np.linspace(low, high, 66))
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None)
