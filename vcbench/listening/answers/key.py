"""The key that the experimenter keeps, opened together with its bundle."""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vcbench.base.escape import brief
from vcbench.base.state import read_state
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.design.design import ANCHOR_35, ANCHOR_70, HIDDEN
from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.kinds import KINDS, SUFFIX, Kind, ListeningError


@dataclass(frozen=True)
class Key:
    """A bundle and the key that says which system each clip is from.

    Attributes:
        content: of `key.json`: `test`, `name`, `systems`, `references`, `pages`, `clips` and so on.
        gold: the `accepted` ratings by page and clip.
        plan_kept: whether the plan is exactly the one that the bundle was exported with.
    """

    content: dict[str, Any]
    gold: dict[str, Any]
    plan: AnalysisPlan
    plan_kept: bool
    bundle: Bundle

    @property
    def test(self) -> str:
        return str(self.content["test"])

    @property
    def kind(self) -> Kind:
        return KINDS[self.test]

    @property
    def rows(self) -> list[str]:
        """Everything that is rated, in table order: systems, reference rows, then MUSHRA's hidden reference and anchors."""
        rated = {place["role"] for place in self.content["clips"].values()}
        own = [*self.content["systems"], *self.content["references"]]
        return own + [role for role in (HIDDEN, ANCHOR_35, ANCHOR_70) if role in rated]

    def page(self, code: str) -> dict[str, Any] | None:
        """`trial, condition, reference, purpose` of a page; ``None`` if the bundle has no such page."""
        found: dict[str, Any] | None = self.content["pages"].get(code)
        return found

    def roles(self, page: str) -> dict[str, str]:
        """Clips of a page by role, including the reference."""
        return self._roles.get(page, {})

    @cached_property
    def _roles(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for clip, place in self.content["clips"].items():
            found.setdefault(place["page"], {})[place["role"]] = clip
        return found

    def sheet(self, listener: str) -> list[dict[str, Any]] | None:
        """A listener's pages without training, each a `page` and the `order` of its clips; ``None`` for an unknown listener."""
        sheet = self.bundle.sheets.get(listener)
        return None if sheet is None else [shown for one in sheet["rounds"] for shown in one]


def open_key(folder: Path, bundle: Path | None = None) -> Key:
    """Open the key folder that `listen build` wrote.

    Args:
        folder: holds `key.json`, `gold.json` and `analysis_plan.toml`.
        bundle: by default the folder with the key's name without ``.key``.

    Raises:
        ListeningError: no key, no bundle, a bundle of another key, or a plan that does not parse or belongs to another test.
    """
    folder = folder.resolve()
    if not (folder / "key.json").is_file():
        raise ListeningError(
            f"{folder} is not a key: it has no key.json. Give the key folder that `vcbench listen build` wrote."
        )
    content = read_key(folder)
    opened = _open_bundle(content, folder, bundle)
    text = _read_text(folder / "analysis_plan.toml")
    signature = hmac.new(content["salt"].encode(), text.encode(), hashlib.sha256).hexdigest()
    return Key(
        content=content,
        gold=_read(folder, "gold.json"),
        plan=_read_plan(text, content["id"]),
        plan_kept=hmac.compare_digest(signature, opened.manifest["plan"]),
        bundle=opened,
    )


def read_key(folder: Path) -> dict[str, Any]:
    """The content of `key.json`.

    Raises:
        UserError: it is missing or damaged.
    """
    return _read(folder, "key.json")


def _read(folder: Path, name: str) -> dict[str, Any]:
    remedy = "Restore the key folder from a copy: it cannot be made again."
    try:
        return read_state(folder / name, remedy)
    except FileNotFoundError as error:
        raise ListeningError(f"The key {folder} has no {name}. {remedy}") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise ListeningError(f"{path} cannot be read ({error}). Restore it from a copy of the key folder.") from error


def _open_bundle(content: dict[str, Any], folder: Path, bundle: Path | None) -> Bundle:
    if bundle is None:
        bundle = folder.with_name(folder.name.removesuffix(SUFFIX))
        if bundle == folder or not bundle.is_dir():
            raise ListeningError(f"There is no bundle next to the key {folder}. Give its folder with --bundle.")
    opened = Bundle(bundle)
    if opened.seal != content["sums"]:
        raise ListeningError(
            f"{opened.folder} is {opened.manifest['id']}; the key {folder} belongs to {content['id']}, or to another build of it. "
            "Give the bundle of this key with --bundle."
        )
    return opened


def _read_plan(text: str, identity: str) -> AnalysisPlan:
    try:
        plan = AnalysisPlan.model_validate(tomllib.loads(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = brief(".".join(str(part) for part in first["loc"]))
        received = brief(repr(first["input"]))
        raise ListeningError(f"analysis_plan.toml: {where}: {first['msg']}; received {received}.") from error
    except (ValueError, RecursionError) as error:
        raise ListeningError(f"analysis_plan.toml is not valid TOML: {error}.") from error
    if plan.bundle != identity:
        raise ListeningError(f"analysis_plan.toml is the plan of {plan.bundle}; this key belongs to {identity}.")
    return plan
