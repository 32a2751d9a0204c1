"""The tools a recipe asks for, opened once per process."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import Path

from st_audioqa.conventions import SAMPLE_RATE
from st_audioqa.errors import UserError, unknown_name
from st_audioqa.events.library import EventLibrary, open_library
from st_audioqa.events.windows import WindowedLibrary
from st_audioqa.pipeline.motions import MOTIONS
from st_audioqa.recipes.recipe import Recipe, RendererRecipe
from st_audioqa.renderers.bank import RIRBank
from st_audioqa.renderers.engine import ENGINES, RIREngine
from st_audioqa.renderers.isolation import IsolatedEngine
from st_audioqa.rooms.provider import PROVIDERS, RoomProvider

__all__ = ["Tools", "check_rooms", "open_rooms", "open_tools", "resolve"]


@dataclass(frozen=True, eq=False)
class Tools:
    """What draws and renders the scenes of one recipe."""

    recipe: Recipe
    """With the digest of the library's clips."""
    provider: RoomProvider
    library: EventLibrary
    bank: RIRBank

    @property
    def engine(self) -> RIREngine:
        """The engine behind the bank."""
        return self.bank.engine


def resolve(recipe: Recipe) -> tuple[Recipe, str]:
    """The recipe with nothing left to this machine, and a sentence on what was decided.

    `engine = "auto"` becomes `rlr` where that engine works. Elsewhere it becomes `image-source`,
    and rooms become empty shoeboxes, which is all that engine renders. The sentence is empty
    where nothing had to give way.

    Raises
    ------
    UserError
        RLR does not work here and the recipe's rooms cannot become shoeboxes.
    """
    if recipe.renderer.engine != "auto":
        return recipe, ""
    try:
        ENGINES.get("rlr")(preset="default")  # a preset it lacks is no reason to take another
    except UserError as error:
        reason = str(error)
    else:
        return _with_engine(recipe, "rlr"), ""
    if recipe.rooms.provider != "procedural":
        raise UserError(
            f"Rooms of the {recipe.rooms.provider} provider need an engine for meshes, and the "
            f"RLR engine is not available: {reason}"
        )
    built_in = _with_engine(recipe, "image-source")
    options = {**recipe.rooms.options, "shapes": ["shoebox"], "furniture": [0, 0]}
    rooms = recipe.rooms.model_copy(update={"options": options})
    sentence = (
        "Rendering with the built-in image-source engine in empty shoebox rooms, because the "
        f"RLR engine is not available: {reason}"
    )
    return built_in.model_copy(update={"rooms": rooms}), sentence


def open_tools(recipe: Recipe, rir_cache: Path | None = None) -> Tools:
    """Tools for a resolved recipe.

    Parameters
    ----------
    recipe : Recipe
    rir_cache : Path, optional
        Folder that keeps impulse responses between runs.

    Raises
    ------
    UserError
        An unknown provider, library, engine or preset, an option they do not know, other clips
        than those that the recipe's `events.digest` is of, or rooms that the engine cannot
        render.
    """
    provider = open_rooms(recipe)
    for kind in recipe.placement.motions:
        MOTIONS.get(kind)
    events = recipe.events
    library = open_library(
        events.library,
        events.path,
        events.options,
        level_dbfs=events.level_dbfs,
        level_spread_db=events.level_spread_db,
    )
    if events.windows:
        library = WindowedLibrary(library, events.windows)
    engine = _engine(recipe.renderer)
    if not provider.makes <= engine.shapes:
        raise UserError(
            f"The engine {engine.name} renders {', '.join(sorted(engine.shapes))} rooms, but the "
            f"provider {provider.name} makes {', '.join(sorted(provider.makes))} rooms here: "
            "take another engine, or empty boxes (rooms.provider = 'procedural' with "
            "rooms.options of shapes = ['shoebox'] and furniture = [0, 0])."
        )
    bank = RIRBank(
        engine,
        round(recipe.renderer.rir_duration_s * SAMPLE_RATE),
        crossfade=recipe.renderer.crossfade,
        folder=rir_cache,
        reused=any(recipe.renderer.reuse_in(split) > 1 for split in recipe.splits),
    )
    return Tools(_pinned(recipe, library), provider, library, bank)


def _pinned(recipe: Recipe, library: EventLibrary) -> Recipe:
    """The recipe with the digest of the clips that it is carried out with."""
    wanted, found = recipe.events.digest, library.details.get("digest")
    if wanted is not None and wanted != found:
        raise UserError(
            f"The recipe is of clips with the digest {wanted}, and those of the event library "
            f"{library.name} here have {found or 'none'}: take the same files and tables, or "
            "leave events.digest out to make another corpus."
        )
    events = recipe.events.model_copy(update={"digest": found})
    return recipe.model_copy(update={"events": events})


def _engine(wanted: RendererRecipe) -> RIREngine:
    """The engine of a recipe; one of native code works in a process of its own."""
    make = functools.partial(ENGINES.get(wanted.engine), preset=wanted.preset)
    engine: RIREngine = make()
    if not getattr(engine, "native", False):
        return engine
    return IsolatedEngine(
        make, time_limit_s=wanted.time_limit_s, memory_limit_gb=wanted.memory_limit_gb
    )


def open_rooms(recipe: Recipe) -> RoomProvider:
    """The room provider of a recipe.

    Raises
    ------
    UserError
        An unknown provider, or options it does not take.
    """
    name, options = recipe.rooms.provider, recipe.rooms.options
    factory = PROVIDERS.get(name)
    taken = inspect.signature(factory).parameters
    if all(each.kind is not each.VAR_KEYWORD for each in taken.values()):
        for option in options:
            if option not in taken:
                raise unknown_name(f"option of the {name} provider", option, taken)
        for option, each in taken.items():
            if each.default is each.empty and option not in options:
                raise UserError(
                    f"The {name} provider needs rooms.options.{option}, and the recipe does not "
                    f"have it: set it; the options are {', '.join(taken)} (docs/rooms.md)."
                )
    made: RoomProvider = factory(**options)
    return made


def check_rooms(provider: RoomProvider) -> None:
    """Lets a provider look once at all that it may draw from, where it can.

    Raises
    ------
    UserError
        Something there cannot be used.
    """
    check = getattr(provider, "check", None)
    if check is not None:
        check()


def _with_engine(recipe: Recipe, engine: str) -> Recipe:
    renderer = recipe.renderer.model_copy(update={"engine": engine})
    return recipe.model_copy(update={"renderer": renderer})
