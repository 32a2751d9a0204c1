"""Says which rooms of a copy of Matterport3D can be used, and what they are made of.

python -m st_audioqa.rooms.matterport FOLDER [BUILDING ...] [--materials FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from st_audioqa.errors import UserError
from st_audioqa.rooms.matterport.building import MESHES, building_names
from st_audioqa.rooms.matterport.report import describe


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("buildings", nargs=-1)
@click.option("--materials", type=click.Path(path_type=Path), help="mp3d_material_config.json")
@click.option("--mesh", type=click.Choice(sorted(MESHES)), default="semantic")
def main(folder: Path, buildings: tuple[str, ...], materials: Path | None, mesh: str) -> None:
    """Print tables of the regions and surfaces of the buildings in FOLDER (all by default).

    A building that cannot be read is named and passed over; the exit code is 2 then.
    """
    failed = False
    try:
        names = list(buildings) or building_names(folder)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    for name in names:
        try:
            for section in describe(folder, [name], materials, mesh):
                click.echo(section)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
    if failed:
        sys.exit(2)


if __name__ == "__main__":
    main()
