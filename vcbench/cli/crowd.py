"""`vcbench listen serve` and what belongs to it: `status`, `export`, `forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.nouns import counted
from vcbench.cli.options import console

Bundle = Annotated[Path, typer.Argument(help="Folder that `listen build` wrote.")]
Results = Annotated[Path, typer.Option(help="Folder of the answers.")]
Headphones = Annotated[
    Literal["record", "require"] | None, typer.Option(help="Test for headphones; `require` stops who fails twice.")
]
HeadphoneTest = Annotated[
    Literal["huggins", "woods"] | None,
    typer.Option(help="Find the noise with a Huggins pitch (by default), or the quietest tone."),
]
KeyFolder = Annotated[Path | None, typer.Option("--key", help="The key that `listen build` wrote next to the bundle.")]


def serve(
    bundle: Bundle,
    results: Annotated[Path, typer.Option(help="Folder for the answers, one file per session.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines.")] = "127.0.0.1",
    base_path: Annotated[str, typer.Option(help="Path that a reverse proxy passes on, for example /listening.")] = "",
    proxies: Annotated[str, typer.Option(help="Addresses whose X-Forwarded-* headers are believed.")] = "127.0.0.1",
    participants: Annotated[
        Literal["hashed", "plain"] | None,
        typer.Option(help="Serve a crowd: each participant gets a sheet on arrival. How to store their ids."),
    ] = None,
    quota: Annotated[int | None, typer.Option(help="Most participants; by default one per sheet.", min=1)] = None,
    hold: Annotated[
        float | None, typer.Option(help="Minutes that a silent participant's sheet is kept; 60.", min=0.1)
    ] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Admit nobody new.")] = False,
    completion: Annotated[str | None, typer.Option(help="Code or URL that participants get at the end.")] = None,
    screened_out: Annotated[str | None, typer.Option(help="Code or URL for who is stopped early.")] = None,
    headphones: Headphones = None,
    headphone_test: HeadphoneTest = None,
    hearing: Annotated[bool, typer.Option("--hearing", help="Ask for normal hearing; explain the level.")] = False,
    stop_after: Annotated[int | None, typer.Option(help="Wrong traps that end a session; needs --key.", min=1)] = None,
    key: KeyFolder = None,
) -> None:
    """Serve a listening test and collect its answers; with --participants, to a crowd (docs/listening-server.md)."""
    try:
        from vcbench.listening.collecting import run
    except ModuleNotFoundError as error:
        raise UserError(f"The server of listening tests needs {error.name}: pip install 'vcbench[listen]'.") from error
    crowd = run.make_crowd(
        participants, quota=quota, hold=hold, closed=closed, completion=completion, screened_out=screened_out,
        headphones=headphones, headphone_test=headphone_test, hearing=hearing, stop_after=stop_after,
    )  # fmt: skip
    say(
        console, f"Serving {bundle} at http://{host}:{port}{base_path}/; answers go to {results}. Press Ctrl-C to stop."
    )
    run.serve(bundle, results, host, port, crowd, key, base_path, proxies)


def status(
    bundle: Bundle,
    results: Results,
    hold: Annotated[float, typer.Option(help="Minutes, as given to the server.")] = 60.0,
    clips: Annotated[bool, typer.Option("--clips", help="A line for each clip.")] = False,
) -> None:
    """Show where the participants are, and how many ratings each clip has so far."""
    from vcbench.listening.answers.bundle import Bundle as Opened
    from vcbench.listening.collecting.status import look

    for line in look(Opened(bundle), results, hold).lines(clips):
        say(console, line)


def export(
    results: Annotated[Path, typer.Argument(help="Folder of the answers.")],
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    key: KeyFolder = None,
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default next to the key.")] = None,
) -> None:
    """Write all answers as one CSV file, a row per clip; with --key, also what each clip is."""
    from vcbench.listening.answers.key import open_key
    from vcbench.listening.collecting.export import export as write

    rows = write(results, out, open_key(key, bundle) if key else None)
    say(console, f"Wrote {counted(rows, 'row')} to {out}.")


def forget(
    participant: Annotated[str, typer.Argument(help="The id that the platform gives, or the code in the answers.")],
    results: Results,
) -> None:
    """Delete a participant's data, and record that it was done."""
    from vcbench.listening.collecting.forget import forget as delete

    files = delete(results, participant)
    say(console, f"Deleted {counted(files, 'file')}. The record is in {results / 'participants' / 'forgotten'}.")
    say(console, "Tables and exports that were made before still have the ratings: make them again. Backups are yours.")
