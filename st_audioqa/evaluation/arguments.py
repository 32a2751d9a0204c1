"""What a user passes on to a model with ``--model-arg KEY=VALUE``, checked by a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from st_audioqa.errors import UserError

__all__ = ["ModelArguments", "read_arguments"]


class ModelArguments(BaseModel):
    """Base of a model's arguments: frozen, and nothing that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Arguments = TypeVar("Arguments", bound=ModelArguments)


def read_arguments(model: str, schema: type[Arguments], given: Mapping[str, str]) -> Arguments:
    """The arguments of a model.

    Raises
    ------
    UserError
        Where one is missing, unknown or impossible; each is named, and those that there are.
    """
    try:
        return schema.model_validate(dict(given))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'together'}: "
            f"{each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise UserError(
            f"The model {model!r} has impossible arguments: {faults} (it takes "
            f"{', '.join(schema.model_fields)}, each as --model-arg KEY=VALUE)."
        ) from error
