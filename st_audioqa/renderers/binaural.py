"""Binaural impulse responses from the RLR engine itself, without ambisonics in between.

The engine places every arrival with its own HRTFs, so directions are as sharp as the set, which
first-order ambisonics cannot be (docs/decoding.md). Between the directions of a set it mixes the
responses of its neighbours in time, which takes from the treble. Tails are taken as they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.hrtf import HRTF
from st_audioqa.renderers.engine import checked_query
from st_audioqa.renderers.engines import rlr
from st_audioqa.renderers.engines._rlr_library import BINAURAL, Context, load
from st_audioqa.scene import Room
from st_audioqa.sofa import write_sofa

__all__ = ["binaural_rirs"]

BUILT_IN_DELAY = 32
"""Samples that the engine's own HRTFs put before the arrival; measured with sources in front."""


def binaural_rirs(
    room: Room,
    listener_position: ArrayLike,
    yaw_deg: float,
    source_positions: ArrayLike,
    *,
    hrtf: HRTF | None = None,
    preset: str = "default",
) -> NDArray[np.float32]:
    """Impulse responses from every source position to two ears.

    Time 0 is emission and the direct sound has the level 1 / r times that of the set, as in
    `RIREngine.rirs`. Unlike there the yaw is applied here, because the ears have a direction.

    Parameters
    ----------
    room : Room
    listener_position : array [shape=(3,)]
        The middle of the head; world axes, metres.
    yaw_deg : float
        Positive turns to the left.
    source_positions : array [shape=(n_positions, 3)]
    hrtf : HRTF, optional
        From `st_audioqa.sofa.load_hrtf`; it is handed on in a file of ours (extra
        ``binaural``), because the engine silently keeps its own set where it cannot read one.
        Left out: the engine's own set, of unknown origin.
    preset : str
        Of the RLR engine.

    Returns
    -------
    ndarray [shape=(n_positions, 2, n)]
        Left, right; 32 kHz.

    Raises
    ------
    MissingPackageError
        If the engine, or netCDF4 where a set is given, is not installed.
    UserError
        If the room or a position is not what the engine can render.
    RejectedDraw
        If the room or a position gives no usable impulse response.
    """
    listener, sources = checked_query(
        rlr.Engine(preset), room, listener_position, source_positions
    )
    delay = BUILT_IN_DELAY if hrtf is None else round(hrtf.shared_delay_s() * SAMPLE_RATE)
    with (
        tempfile.TemporaryDirectory(prefix="st_audioqa-") as folder,
        rlr.surfaces(room) as (database, parts),
    ):
        path = None
        if hrtf is not None:
            path = Path(folder, "hrtf.sofa")
            write_sofa(hrtf, path)

        @contextmanager
        def head(**changed: float) -> Iterator[Context]:
            settings = {**rlr.settings(rlr.PRESETS[preset], room), **changed}
            with Context(load(), **settings) as context:
                context.set_mesh(database, room.vertices, parts)
                context.add_listener(listener, BINAURAL)
                context.set_head(yaw_deg, path)
                yield context

        with head(indirect=False) as context:
            direct = [context.simulate(position) for position in sources]
        found = []
        for position in sources:
            with head() as context:
                found.append(rlr.usable_response(context, position))
    length = max(response.shape[1] for response in found) - delay
    rirs = np.zeros((len(found), 2, length), dtype=np.float32)
    distance_m = np.linalg.norm(sources - listener, axis=-1)
    gains = 1.0 / (distance_m * rlr.direct_gain(distance_m))
    for rir, response, first, gain in zip(rirs, found, direct, gains, strict=True):
        # The direct sound alone is brought from the engine's gain to 1 / r.
        response[:, : first.shape[1]] += np.float32(gain - 1.0) * first
        rir[:, : response.shape[1] - delay] = response[:, delay:]
    return rirs
