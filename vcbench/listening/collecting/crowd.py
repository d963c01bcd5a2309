"""Options of a test that a crowd takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from vcbench.base.settings import Strict
from vcbench.listening.kinds import ListeningError

HeadphoneTest = Literal["huggins", "woods"]
NEEDED: dict[HeadphoneTest, int] = {
    "huggins": 6,
    "woods": 5,
}  # right answers of 6 (Milne et al. 2021; Woods et al. 2017)


class Crowd(Strict):
    """How participants take part.

    Attributes:
        plain: whether ids are stored as given, or only the codes derived from them.
        quota: participants who finish or are at it, at most; ``None``: one for each sheet.
        hold: minutes after a participant's last sign of life for which their sheet is kept for them.
        closed: whether new participants are turned away; those who have begun can finish.
        completion, screened_out: what a participant gets at the end, or when stopped early: an address (http or https) to
            return to, or a code. In an address, ``{pid}``, ``{study}`` and ``{session}`` stand for the participant's ids.
        headphones: the headphone test: none, its result is recorded, or who fails it twice is stopped.
        headphone_test: a key of `NEEDED`.
        hearing: whether the page asks for normal hearing and explains the level.
        stop_after: wrong answers on trap pages after which a participant is stopped; ``None``: nobody is.
    """

    plain: bool = False
    quota: int | None = Field(None, ge=1)
    hold: float = Field(60.0, gt=0)
    closed: bool = False
    completion: str | None = None
    screened_out: str | None = None
    headphones: Literal["off", "record", "require"] = "off"
    headphone_test: HeadphoneTest = "huggins"
    hearing: bool = False
    stop_after: int | None = Field(None, ge=1)

    @property
    def hold_time(self) -> timedelta:
        return timedelta(minutes=self.hold)

    def places(self, sheets: int) -> int:
        return self.quota or sheets

    def page(self) -> dict[str, object]:
        """What the page may know before the end."""
        return {"headphones": self.headphones != "off" and self.headphone_test, "hearing": self.hearing}


def ending(target: str | None) -> dict[str, str]:
    """``url`` or ``code``, or neither."""
    if target is None:
        return {}
    return {"url" if target.startswith(("https://", "http://")) else "code": target}


def make_crowd(participants: str | None, **options: object) -> Crowd | None:
    """Options of the command line; None without `participants`.

    Raises:
        ListeningError: options of a crowd without one.
    """
    given = {name: value for name, value in options.items() if value not in (None, False)}
    if participants is not None:
        return Crowd.model_validate(given | {"plain": participants == "plain"})
    if given:
        raise ListeningError(
            f"{', '.join('--' + name.replace('_', '-') for name in given)} only applies to a crowd. Add --participants hashed, or "
            "--participants plain to store ids as given."
        )
    return None
