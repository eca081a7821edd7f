"""What the models of DeepRacer's files share: how they are checked and how mistakes are said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from hairpin.deepracer.small_file import shorten
from hairpin.job_errors import explain
from sim.errors import did_you_mean

Model = TypeVar("Model", bound="Foreign")


class Foreign(BaseModel):
    """Base of what other tools wrote: keys that we don't know are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number")
    if isinstance(value, int) and abs(value) > 2**63:
        raise ValueError(f"a number of {len(str(abs(value)))} digits is too large")
    return value


Int = Annotated[int, BeforeValidator(_no_flag)]  # true and false are whole numbers in Python
Float = Annotated[float, BeforeValidator(_no_flag)]


def check(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Makes a model of a file's values.

    Args:
        model: Its class; the description of each field says what is allowed.
        data: The file's values.
        where: Names the file.

    Raises:
        UserError: The first thing that is wrong, with file, key, value and what is allowed.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        allowed = _Allowed(model)
        raise explain(error, data, lambda way: where, allowed) from None


def unknown_keys(data: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """Says of each key that is not known that it is not, with a suggestion if one is near."""
    names = list(known)
    said = []
    for key in data:
        if key not in names:
            suggestion = did_you_mean(key, names)
            hint = f" ({suggestion[:-1]}?)" if suggestion.startswith("Did") else ""
            said.append(f"{shorten(key)}, which is no key of it{hint}".replace("??", "?"))
    return said


class _Allowed:
    """Finds the description of the field that a way of keys and indices leads to."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model

    def __call__(self, way: Sequence[str | int]) -> str:
        model: type[BaseModel] | None = self.model
        found = ""
        for part in way:
            if isinstance(part, int) or model is None or part not in model.model_fields:
                continue
            field = model.model_fields[part]
            found = field.description or found
            model = _model_in(field.annotation)
        return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation like ``tuple[Action, ...]`` or ``Limits | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
