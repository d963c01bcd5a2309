"""Delete what a participant gave, on their request, and keep a record that it was done."""

from __future__ import annotations

import re
from pathlib import Path

from vcbench.base.files import hash_json
from vcbench.listening.answers.session import canonical
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.collecting.files import locked, store
from vcbench.listening.collecting.identity import CODE_LENGTH, ID, Coder
from vcbench.listening.collecting.register import open_register
from vcbench.listening.kinds import ListeningError


def forget(results: Path, who: str) -> int:
    """Delete all files of a participant, also while the server runs; return how many there were.

    The record has the participant's code, the time and the number of files. By the code the server refuses what the
    participant's browser may still send.

    Args:
        who: the participant's id, or their code.

    Raises:
        ListeningError: nobody with this id or code.
    """
    register = open_register(results)
    collection = Collection(results)
    code = who if register.path(who).is_file() and re.fullmatch(rf"[0-9a-f]{{{CODE_LENGTH}}}", who) else None
    if code is None:
        if re.fullmatch(ID, who) is None:
            raise ListeningError(f"{who!r} is not an id that a participant can have.")
        code = Coder(register.folder).code(who)
    with locked(register.files, alone=True):
        files = collection.of(code)
        if register.path(code).is_file():
            files.append(register.path(code))
        if not files:
            again = " Their data were deleted before." if register.has_forgotten(code) else ""
            raise ListeningError(
                f"{results} has no data of {who!r}.{again} Give the id as the platform gives it, or a code."
            )
        record = {"code": code, "time": register.now().isoformat(), "files": len(files)}
        store(register.forgotten / f"{code}.json", canonical(record | {"checksum": hash_json(record)}), replace=True)
        for path in files:
            path.unlink()
    return len(files)
