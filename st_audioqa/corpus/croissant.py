"""Croissant: the description of a corpus that search engines and loaders read (MLCommons, 1.0).

Every shard is named with its SHA-256; every table is a record set whose fields are derived from
its Arrow schema. https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from st_audioqa.corpus.attribution import Sounds
from st_audioqa.corpus.front_matter import licence_of, schema_of, tables_of
from st_audioqa.corpus.manifest import Manifest
from st_audioqa.files import write_text

__all__ = ["CROISSANT", "write_croissant"]

CROISSANT = "croissant.json"
_PARQUET = "application/x-parquet"
_LICENCES = {
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "mit": "https://opensource.org/license/mit",
}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(folder: Path, manifest: Manifest, sounds: Sounds, url: str = "") -> None:
    """Writes `croissant.json`.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    sounds : Sounds
    url : str
        Where the corpus is to be had; left out where that is not known.
    """
    licence, _ = licence_of(manifest, sounds)
    recipe = manifest.recipe
    told: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": recipe.name,
        "description": recipe.description
        or "A spatio-temporal audio question answering corpus of ambisonic scenes.",
        "license": _LICENCES.get(licence, "README.md"),
        "version": f"1.0.0+{manifest.recipe_hash[:12]}",
        "inLanguage": "en",
        "keywords": ["spatial audio", "ambisonics", "audio question answering"],
        "rai:dataLimitations": "See Limits in README.md.",
        "rai:dataBiases": "See Biases in README.md.",
        "rai:dataUseCases": "See Intended use in README.md.",
    }
    if url:
        told["url"] = url
    files, sets = [], []
    for table, entries in tables_of(manifest).items():
        files += [
            {
                "@type": "cr:FileObject",
                "@id": entry.path,
                "name": entry.path,
                "contentUrl": entry.path,
                "contentSize": f"{entry.bytes} B",
                "encodingFormat": _PARQUET,
                "sha256": entry.sha256,
            }
            for entry in entries
        ]
        files.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{table}-files",
                "name": f"{table}-files",
                "encodingFormat": _PARQUET,
                "includes": f"{table}/*.parquet",
            }
        )
        sets.append(
            {
                "@type": "cr:RecordSet",
                "@id": table,
                "name": table,
                "field": [
                    _field(f"{table}/{column.name}", column, f"{table}-files", column.name)
                    for column in schema_of(table)
                ],
            }
        )
    told["distribution"], told["recordSet"] = files, sets
    write_text(folder / CROISSANT, json.dumps(told, indent=2) + "\n")


def _field(
    name: str, column: pa.Field, files: str, top: str, below: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A column, or a part of one (`below`: the keys that lead to it), as a Croissant field."""
    kind, depth = column.type, 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    extract: dict[str, Any] = {"column": top}
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": extract}
    if below:
        source["transform"] = [{"jsonPath": part} for part in below]
    field: dict[str, Any] = {"@type": "cr:Field", "@id": name, "name": name, "source": source}
    if depth:
        field["repeated"] = True
    if top == "audio" and not below:
        source["transform"] = [{"jsonPath": "bytes"}]
        field["dataType"] = "sc:AudioObject"
    elif pa.types.is_struct(kind):
        field["subField"] = [
            _field(f"{name}/{part.name}", part, files, top, (*below, part.name))
            for part in kind
        ]
    else:
        field["dataType"] = _data_type(kind)
    return field


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    return "sc:Text"
