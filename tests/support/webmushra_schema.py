"""What webMUSHRA accepts in a configuration, as strict models.

Fields and their meaning are those of its documentation for experimenters (audiolabs/webMUSHRA, doc/experimenter.md) and, for
what that leaves out (`language`, consent pages, the questionnaire, `showErrors`), of the scripts that read them (startup.js,
lib/webmushra/pages, and the limits in lib/webmushra/misc/MushraValidator.js).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

MOST_CONDITIONS = 12
LONGEST = 12.0  # seconds of a MUSHRA reference


def _plain(name: str) -> str:
    """It becomes an element's id and a selector of jQuery, without quoting."""
    assert name.isidentifier(), f"{name!r} is no id"
    return name


Name = Annotated[str, AfterValidator(_plain)]
Text = Annotated[str, Field(min_length=1)]
Stimuli = Annotated[dict[Name, Text], Field(min_length=1)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Point(Part):
    """A step of a Likert scale; the value is put between quotes in HTML."""

    value: int
    label: Text


class Generic(Part):
    type: Literal["generic"]
    id: Name
    name: Text
    content: Text


class Consent(Part):
    type: Literal["consent"]
    id: Name
    name: Text
    content: Text
    mustConsent: bool


class Volume(Part):
    type: Literal["volume"]
    id: Name
    name: Text
    content: Text
    stimulus: Text
    defaultVolume: float = Field(ge=0, le=1)


class Mushra(Part):
    type: Literal["mushra"]
    id: Name
    name: Text
    content: Text
    showWaveform: bool
    enableLooping: bool
    strict: bool
    reference: Text
    createAnchor35: bool
    createAnchor70: bool
    randomize: bool
    showConditionNames: bool
    stimuli: Stimuli


class SingleStimulus(Part):
    type: Literal["likert_single_stimulus"]
    id: Name
    name: Text
    content: Text
    mustRate: bool
    mustPlayback: Literal["ended", "processUpdate"]
    stimuli: Stimuli
    response: list[Point] = Field(min_length=2)


class Question(Part):
    type: Literal["text"]
    label: Text
    name: Name
    optional: bool


class Finish(Part):
    """The only page without an id; it must be the last."""

    type: Literal["finish"]
    name: Text
    content: Text
    popupContent: Text
    showResults: bool
    showErrors: bool
    writeResults: bool
    questionnaire: list[Question]


Page = TypeAdapter(
    Annotated[Generic | Consent | Volume | Mushra | SingleStimulus | Finish, Field(discriminator="type")]
)


class Configuration(Part):
    testname: Text
    testId: Name
    language: Literal["en", "de", "fr", "es"]
    bufferSize: Literal[256, 512, 1024, 2048, 4096, 8192, 16384]
    stopOnErrors: bool
    showButtonPreviousPage: bool
    remoteService: Literal["service/write.php"]
    pages: list[Any]

    def flat(self) -> list[BaseModel]:
        """All pages, as startup.js adds them: a list that begins with "random" is shuffled, any other list keeps its order."""
        return list(_flat(self.pages))


def _flat(pages: list[Any]) -> list[BaseModel]:
    found = []
    for page in pages[1:] if pages[0] == "random" else pages:
        found += _flat(page) if isinstance(page, list) else [Page.validate_python(page)]
    return found
