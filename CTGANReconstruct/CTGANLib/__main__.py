"""``python -m CTGANLib TASK ...``: every task of the backend, files in and files out."""

import argparse
import importlib
import signal
import sys
import traceback

from .errors import UserError
from .events import Reporter

TASKS = (
    "project",
    "preview",
    "reconstruct",
    "segment",
    "detect",
    "synthesize",
    "render",
    "train",
    "evaluate",
    "study",
    "ablate",
    "pipeline",
    "models",
    "dataset",
)


def main(arguments: list[str] | None = None) -> int:
    """Run one task.

    Returns:
        Exit status: 0 done, 1 failed with a clear message, 130 cancelled. (Wrong use exits with 2.)
    """
    events = argparse.ArgumentParser(add_help=False)
    events.add_argument("--events", action="store_true", help="print JSON lines instead of text for people")
    # Taken out first, so that it may stand anywhere on the line.
    chosen, rest = events.parse_known_args(arguments)
    parsed = _parser(events).parse_args(rest)
    reporter = Reporter(chosen.events)
    # A polite end from outside is the same as Ctrl+C: staged outputs are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        result = importlib.import_module(f".commands.{parsed.task}", __package__).run(parsed, reporter.progress)
    except UserError as error:
        reporter.error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        reporter.error(UserError(f"The task {parsed.task} failed unexpectedly: {error}", "Please report it."))
        if chosen.events:  # for the details that a program can show; people are spared
            traceback.print_exc()
        return 1
    if result is not None:  # of several processes that train together one reports
        reporter.result(result)
    return 0


def _interrupt() -> None:
    raise KeyboardInterrupt


def _parser(events: argparse.ArgumentParser) -> argparse.ArgumentParser:
    description = "CTGAN for 3D Slicer. Not for diagnosis."
    parser = argparse.ArgumentParser(prog="CTGANLib", description=description, parents=[events])
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task in TASKS:
        command = importlib.import_module(f".commands.{task}", __package__)
        command.add_arguments(tasks.add_parser(task, help=command.HELP, description=command.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
