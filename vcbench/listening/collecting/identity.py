"""Who a participant is: the ids in the page's address, and the code by which their answers are known."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from pydantic import Field, ValidationError

from vcbench.base.escape import brief
from vcbench.base.settings import Strict
from vcbench.listening.collecting.files import store
from vcbench.listening.kinds import ListeningError

ID = r"^[A-Za-z0-9][A-Za-z0-9._@:+~-]{0,99}$"  # as platforms give; nothing that a spreadsheet or a terminal would interpret
CODE_LENGTH = 20  # hexadecimal digits: 80 bits, which nobody guesses


class Identity(Strict):
    """The ids that a recruiting platform puts in the address.

    Attributes:
        pid: of the participant.
        study, session: of the platform's study and of this submission; ``None`` if not given.
    """

    pid: str = Field(pattern=ID)
    study: str | None = Field(None, pattern=ID)
    session: str | None = Field(None, pattern=ID)


def read_identity(content: bytes) -> Identity:
    """Parse what the page sends.

    Raises:
        ListeningError: not JSON, no participant, or characters that no id has.
    """
    try:
        return Identity.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = brief(".".join(str(part) for part in first["loc"])) or "the document"
        raise ListeningError(
            f"This is not an arrival: {where}: {first['msg']}. An id has 1 to 100 letters, digits and . _ @ : + ~ -, and begins "
            "with a letter or digit."
        ) from error


class Coder:
    """Derives codes from ids and a secret, the salt, which is in the answers' folder.

    Without the salt nobody can test whether a code belongs to an id; delete the salt to make the codes anonymous.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "salt"
        if not path.exists():
            store(path, secrets.token_hex(32).encode())
            path.chmod(0o600)
        self._salt = path.read_bytes()
        if len(self._salt) < 32:
            raise ListeningError(f"{path} is damaged: it is too short. Restore it from a copy of the answers' folder.")

    def code(self, of: str, purpose: str = "participant") -> str:
        digest = hmac.new(self._salt, f"{purpose}\x1f{of}".encode(), hashlib.sha256).hexdigest()
        return digest[:CODE_LENGTH]
