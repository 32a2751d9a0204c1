"""Synthetic sound events: one small function for each class, grouped by nature.

To add a class, write its function into the file of its nature and decorate it with
`@sound("AudioSet display name")`. No class may be related to another one in the ontology, as
two sources of a scene would then share a label. `sources` and `voices` are the raw material,
`shaping` the filters and envelopes, `rhythm` the times. `benchmarks/synth_bench.py` measures and
pictures every class; `docs/synth.md` has the result and what is still unconvincing.
"""

from st_audioqa.events.synth import animals, household, human, machines, music, nature, signals
from st_audioqa.events.synth.catalogue import SOUNDS, sound, synthesise

__all__ = [
    "SOUNDS",
    "animals",
    "household",
    "human",
    "machines",
    "music",
    "nature",
    "signals",
    "sound",
    "synthesise",
]
