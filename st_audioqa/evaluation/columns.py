"""The columns of the paper's Tables 4 and 5, and which questions each one covers.

Conventions
-----------
A column covers one or more attributes of one family. Its value is the mean over those of its
attributes that have questions, each attribute weighing the same: the paper's chance row says so
(22.9 % is the mean of 1/8 for azimuth and 1/3 for elevation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["AVERAGE", "COLUMNS", "DETECTION", "TYPE_TITLES", "Column", "Part"]

Part = tuple[str, str, str]
"""Type, family and attribute: the smallest thing that has a value."""

DETECTION = "detection"
"""The attribute whose value is a mean average precision; all others have accuracies."""

AVERAGE = ("table_5", "C", "Avg.")
"""Where the mean of the type C columns stands."""

TYPE_TITLES: Mapping[str, str] = {
    "A": "single-source perception",
    "B": "two-source perception and grounding",
    "C": "compositional source-time-space reasoning",
}


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    table: str
    type: str
    heading: tuple[str, ...]
    """Group and name, or the name alone."""
    family: str
    attributes: tuple[str, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """Keys that lead to the column's cell in `Result.tables`."""
        return (self.table, self.type, *self.heading)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the value is the mean of."""
        return tuple((self.type, self.family, attribute) for attribute in self.attributes)


_ANGLES = ("azimuth", "elevation")
_DISTANCE = ("distance",)
_ALL = (*_ANGLES, *_DISTANCE)


def _table_4(kind: str, source: str, motion: str) -> tuple[Column, ...]:
    rows: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
        ("Semantic", "mAP", "event_semantics", (DETECTION,)),
        ("Semantic", "Y/N", "event_semantics", ("verification",)),
        ("Spatial loc.", f"{source}DoA", "spatial_location", _ANGLES),
        ("Spatial loc.", f"{source}Dist.", "spatial_location", _DISTANCE),
        ("Spatial chg.", f"{source}DoA", "spatial_change", _ANGLES),
        ("Spatial chg.", f"{source}Dist.", "spatial_change", _DISTANCE),
        ("Move", motion, "movement_status", ("motion",)),
    )
    return tuple(
        Column("table_4", kind, (group, name), family, attributes)
        for group, name, family, attributes in rows
    )


def _grounding(name: str, attributes: tuple[str, ...]) -> Column:
    return Column("table_4", "B", ("Source grounding", name), "source_grounding", attributes)


COLUMNS: tuple[Column, ...] = (
    *_table_4("A", "", "Acc."),
    *_table_4("B", "Src. ", "Src. Move"),
    _grounding("Loc.", tuple(f"location_{attribute}" for attribute in _ALL)),
    _grounding("Chg.", tuple(f"change_{attribute}" for attribute in _ALL)),
    _grounding("Move", ("motion",)),
    Column("table_5", "C", ("Temp. rel.",), "temporal_relation_change", _ALL),
    Column("table_5", "C", ("Move-spat.",), "movement_conditioned_relation", _ALL),
    Column("table_5", "C", ("Traj. rel.",), "cross_source_trajectory_relation", _ALL),
)
"""In the order of the paper."""
