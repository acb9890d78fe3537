"""A headless Slicer for tests: see README.md."""

from .start import start

start()

from .application.dialogs import Dialog, UnansweredQuestion, answers, dialogs  # noqa: E402
from .application.packaging import pip_calls  # noqa: E402
from .application.sample_data import click as click_sample  # noqa: E402
from .application.sample_data import sources as sample_data  # noqa: E402
from .application.views import views  # noqa: E402
from .events import click_and_wait, grab, run_events, wait_for  # noqa: E402
from .loading import LoadedModule, complete_startup, load_module, reset  # noqa: E402

__all__ = [
    "Dialog",
    "LoadedModule",
    "UnansweredQuestion",
    "answers",
    "click_and_wait",
    "click_sample",
    "complete_startup",
    "dialogs",
    "grab",
    "load_module",
    "pip_calls",
    "reset",
    "run_events",
    "sample_data",
    "views",
    "wait_for",
]
