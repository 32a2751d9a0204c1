"""What machines read of a data card: licence, tags, tables, splits and columns, in YAML.

Columns are derived from the Arrow schemas of the tables and written as JSON, which is YAML too.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from st_audioqa.conventions import CHANNELS, SAMPLE_RATE
from st_audioqa.corpus.attribution import Sounds
from st_audioqa.corpus.manifest import QUESTION_TABLES, Manifest, ShardEntry
from st_audioqa.corpus.schema import BENCH_SCHEMA, QA_SCHEMA, SCENES_SCHEMA
from st_audioqa.scene import RECORDED

__all__ = ["front_matter", "licence_of", "schema_of", "tables_of"]

_NON_COMMERCIAL = ("habitat", "rlr")
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_GATE = (
    "This corpus is for research. Its sounds and rooms come under the licences named in the card: "
    "by asking for access you agree to keep to them, and not to train on its test split."
)
_GATE_FIELDS = {
    "Name": "text",
    "Affiliation": "text",
    "I keep to the licences named in the card": "checkbox",
    "I do not train on the test split": "checkbox",
}


def tables_of(manifest: Manifest) -> dict[str, list[ShardEntry]]:
    """Files of every table that a corpus has, `qa` first."""
    tables = {"qa": manifest.qa, "scenes": manifest.scenes}
    tables |= {name: manifest.entries(name) for name in QUESTION_TABLES if name != "qa"}
    tables["bench"] = manifest.bench
    return {name: entries for name, entries in tables.items() if entries}


def schema_of(table: str) -> pa.Schema:
    """The columns of a table."""
    return {"scenes": SCENES_SCHEMA, "bench": BENCH_SCHEMA}.get(table, QA_SCHEMA)


def licence_of(manifest: Manifest, sounds: Sounds) -> tuple[str, str]:
    """The licence of the whole in the Hub's terms, and its name where those have none."""
    free = all(licence.endswith(": CC0-1.0") for licence in sounds.sources)
    if manifest.engine["name"] in _NON_COMMERCIAL and free:
        return "cc-by-nc-4.0", ""
    if manifest.recipe.rooms.provider == RECORDED and all(
        each.endswith(": MIT") for each in sounds.sources
    ):
        return "mit", ""
    return "other", "several, see the card"


def front_matter(manifest: Manifest, sounds: Sounds, *, gated: bool = False) -> str:
    """The block between two lines of dashes.

    Parameters
    ----------
    manifest : Manifest
    sounds : Sounds
    gated : bool
        Also the text that the Hub shows to who asks for access.
    """
    licence, name = licence_of(manifest, sounds)
    lines = ["---", f"pretty_name: {_quoted(manifest.recipe.name)}", f"license: {licence}"]
    if name:
        lines.append(f"license_name: {_quoted(name)}")
        lines.append("license_link: README.md")
    lines += ["language:", "- en", "task_categories:"]
    lines += ["- question-answering", "- audio-classification", "tags:"]
    lines += ["- spatial-audio", "- ambisonics", "- audio-question-answering"]
    questions = sum(entry.rows for entry in manifest.qa)
    size = next((name for most, name in _SIZES if questions < most), "10M<n<100M")
    lines += ["size_categories:", f"- {size}"]
    if gated:
        lines.append(f"extra_gated_prompt: {_quoted(_GATE)}")
        lines.append(f"extra_gated_fields: {json.dumps(_GATE_FIELDS)}")
    lines.append("configs:")
    tables = tables_of(manifest)
    for table, entries in tables.items():
        lines.append(f"- config_name: {table}")
        if table == "qa":
            lines.append("  default: true")
        lines.append("  data_files:")
        for split in _splits(entries):
            lines.append(f"  - split: {split}")
            lines.append(f"    path: {table}/{split}-*.parquet")
    lines.append("dataset_info:")
    for table, entries in tables.items():
        lines += [f"- config_name: {table}", "  features:"]
        lines += [f"  - {json.dumps(column)}" for column in _columns(schema_of(table))]
        lines.append("  splits:")
        for split in _splits(entries):
            rows = sum(entry.rows for entry in entries if entry.split == split)
            lines += [f"  - name: {split}", f"    num_examples: {rows}"]
        lines.append(f"  download_size: {sum(entry.bytes for entry in entries)}")
    return "\n".join([*lines, "---"])


def _splits(entries: list[ShardEntry]) -> list[str]:
    return sorted({entry.split for entry in entries})


def _quoted(text: str) -> str:
    return json.dumps(text)


def _columns(schema: pa.Schema) -> list[dict[str, Any]]:
    return [
        {"name": field.name, "dtype": _AUDIO}
        if field.name == "audio"
        else {"name": field.name, **_column(field.type)}
        for field in schema
    ]


_AUDIO = {"audio": {"sampling_rate": SAMPLE_RATE, "num_channels": len(CHANNELS)}}


def _column(kind: pa.DataType) -> dict[str, Any]:
    """An Arrow type as the Hub writes it in a card."""
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_column(field.type)} for field in kind]}
    if pa.types.is_list(kind):
        inner = _column(kind.value_type)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    name = {"double": "float64", "float": "float32"}.get(str(kind), str(kind))
    return {"dtype": name}
