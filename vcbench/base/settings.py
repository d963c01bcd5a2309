"""Settings: strict pydantic models, files and assignments laid over each other, and errors that name the key."""

from __future__ import annotations

import json
import tomllib
from inspect import signature
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from vcbench.base.errors import UserError, did_you_mean

SHOWN = 200  # characters of a wrong value in a message
LISTS = ("systems", "metrics")  # tables whose entries can be left out


class ConfigError(UserError):
    """A configuration that is not valid; the message names the key and what is allowed."""


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content.

    Raises:
        ConfigError: the file does not exist, cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError as error:
        raise ConfigError(f"The configuration file {path} does not exist.") from error
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of numbers with thousands of digits
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def lay_over(values: dict[str, Any], files: list[Path] | None, assignments: list[str] | None) -> dict[str, Any]:
    """A user's files, then assignments, laid over `values`."""
    for path in files or []:
        values = merge(values, read_toml(path))
    for assignment in assignments or []:
        values = merge(values, _assignment(assignment))
    return values


def merge(below: Any, above: Any, where: str = "") -> dict[str, Any]:
    """`above` laid over `below`, table by table; ``false`` leaves out a system or metric that is below.

    Raises:
        ConfigError: a table would be replaced by something else.
    """
    for value in (below, above):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} = {_short(value)}: a table is needed there; set its keys, {where}.KEY = VALUE.")
    merged = dict(below)
    for key, value in above.items():
        is_table = isinstance(merged.get(key), dict)
        if is_table and value is False and where in LISTS:
            del merged[key]
            continue
        merged[key] = merge(merged[key], value, f"{where}.{key}".lstrip(".")) if is_table else value
    return merged


def _assignment(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or "\n" in text:
        raise ConfigError(f"--set takes one KEY=VALUE, e.g. systems.again_vc.hidden=64; received {_short(text)}.")
    parsed = _parsed(f"{key} = {value}") or _parsed(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    if not parsed:
        raise ConfigError(
            f"--set takes KEY=VALUE with a dotted key of letters, digits, _ and -, or parts in quotes; received {_short(text)}."
        )
    return parsed


def _parsed(text: str) -> dict[str, Any]:
    """Empty if it is not TOML."""
    try:
        text.encode()
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def validate(model: type[BaseModel], values: dict[str, Any], where: str) -> Any:
    """Values of a TOML file as `model`; strict, except that TOML's arrays may be tuples and its strings paths."""
    try:
        text = json.dumps(values, default=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where.rstrip('.') or 'The settings'}: {error}.") from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(model, issue, where) for issue in error.errors())) from error


def _refuse(value: Any) -> Any:
    """TOML's dates and times, which no setting is."""
    raise ConfigError(f"{value} is a {type(value).__name__}; no setting takes one. Write it in quotes if it is a name")


def _explain(model: type[BaseModel], issue: Any, where: str) -> str:
    key = where + ".".join(str(part) for part in issue["loc"])
    if issue["type"] == "extra_forbidden":
        fields = _fields_at(model, issue["loc"][:-1])
        return f"Unknown key {key!r}.{did_you_mean(str(issue['loc'][-1]), fields)}"
    if issue["type"] == "missing":
        return f"The key {key!r} is missing."
    return f"{key} = {_short(issue['input'])}: {issue['msg']}."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the nested model at `location`."""
    found: Any = model
    for part in location:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = found.model_fields[str(part)].annotation if str(part) in found.model_fields else None
        else:  # an element of tuple[X, ...] or dict[str, X]
            found = next((one for one in get_args(found) if isinstance(one, type) and issubclass(one, BaseModel)), None)
    return sorted(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []


def constructor_options(of: type, options: dict[str, Any], where: str) -> dict[str, Any]:
    """Options of a TOML file that a class's constructor takes, checked by its annotations.

    Raises:
        ConfigError: an unknown option, one of a wrong type, or one that is missing.
    """
    parameters = list(signature(of).parameters.values())
    try:
        hints = get_type_hints(of.__init__)  # type: ignore[misc]
    except NameError:  # a plug-in may import types for its type checker alone
        hints = {}
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    fields: dict[str, Any] = {
        one.name: (hints.get(one.name, Any), ... if one.default is one.empty else one.default) for one in named
    }
    base = _AnyOptions if any(one.kind is one.VAR_KEYWORD for one in parameters) else _Options
    checked = validate(create_model(of.__name__, __base__=base, **fields), options, where)
    return {key: getattr(checked, key) for key in options}


def constructor_defaults(of: type) -> dict[str, Any]:
    """The options that a class's constructor has defaults for, where TOML can hold these."""
    parameters = signature(of).parameters.values()
    return {one.name: one.default for one in parameters if isinstance(one.default, bool | int | float | str)}


def plain_json(settings: BaseModel) -> dict[str, Any]:
    """Settings as JSON holds them, for hashes and manifests."""
    return settings.model_dump(mode="json")


class Strict(BaseModel):
    """Base of all settings: immutable, no unknown keys, no conversion between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Options(Strict):
    model_config = ConfigDict(arbitrary_types_allowed=True)


class _AnyOptions(_Options):
    model_config = ConfigDict(extra="allow")
