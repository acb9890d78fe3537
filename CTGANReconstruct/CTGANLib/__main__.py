"""``python -m CTGANLib TASK ...``: every task of the backend, files in and files out."""

import argparse
import importlib
import signal
import sys

from .errors import UserError
from .events import Reporter

TASKS = ("project", "reconstruct", "segment", "train", "evaluate", "models", "dataset")


def main(arguments: list[str] | None = None) -> int:
    """Run one task.

    Returns:
        Exit status: 0 done, 1 failed with a clear message, 130 cancelled. (Wrong use exits with 2.)
    """
    parsed = _parser().parse_args(arguments)
    reporter = Reporter(parsed.events)
    # A polite end from outside is the same as Ctrl+C: staged outputs are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        result = importlib.import_module(f".commands.{parsed.task}", __package__).run(parsed, reporter.progress)
    except UserError as error:
        reporter.error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    reporter.result(result)
    return 0


def _interrupt() -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="CTGANLib", description="CTGAN for 3D Slicer. Not for diagnosis.")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task in TASKS:
        command = importlib.import_module(f".commands.{task}", __package__)
        subparser = tasks.add_parser(task, help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.add_argument("--events", action="store_true", help="print JSON lines instead of text for people")
    return parser


if __name__ == "__main__":
    sys.exit(main())
