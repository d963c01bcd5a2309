"""Settings: strict pydantic models, files and assignments laid over each other, and errors that name the key."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from vcbench.base.errors import UserError, did_you_mean


class ConfigError(UserError):
    """A configuration that is not valid; the message names the key and what is allowed."""


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"The configuration file {path} does not exist.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def lay_over(values: dict[str, Any], files: list[Path] | None, assignments: list[str] | None) -> dict[str, Any]:
    """A user's files, then assignments, laid over `values`."""
    for path in files or []:
        values = merge(values, read_toml(path))
    for assignment in assignments or []:
        values = merge(values, _assignment(assignment))
    return values


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, table by table."""
    merged = dict(below)
    for key, value in above.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged


def _assignment(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes KEY=VALUE, e.g. systems.again_vc.hidden=64; received {text!r}.")
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        try:
            return tomllib.loads(f"{key} = {json.dumps(value)}")
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"--set takes KEY=VALUE with a dotted key; received {text!r} ({error}).") from error


def validate(model: type[BaseModel], values: dict[str, Any], where: str) -> Any:
    """Values of a TOML file as `model`; strict, except that TOML's arrays may be tuples and its strings paths."""
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(model, issue, where) for issue in error.errors())) from error


def _explain(model: type[BaseModel], issue: Any, where: str) -> str:
    key = where + ".".join(str(part) for part in issue["loc"])
    if issue["type"] == "extra_forbidden":
        fields = _fields_at(model, issue["loc"][:-1])
        return f"Unknown key {key!r}.{did_you_mean(str(issue['loc'][-1]), fields)}"
    if issue["type"] == "missing":
        return f"The key {key!r} is missing."
    return f"{key} = {issue['input']!r}: {issue['msg']}."


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the nested model at `location`."""
    found: Any = model
    for part in location:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = found.model_fields[str(part)].annotation if str(part) in found.model_fields else None
        else:  # an element of tuple[X, ...] or dict[str, X]
            found = next((one for one in get_args(found) if isinstance(one, type) and issubclass(one, BaseModel)), None)
    return sorted(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []


def plain_json(settings: BaseModel) -> dict[str, Any]:
    """Settings as JSON holds them, for hashes and manifests."""
    return settings.model_dump(mode="json")


class Strict(BaseModel):
    """Base of all settings: immutable, no unknown keys, no conversion between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
