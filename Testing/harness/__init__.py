"""A headless Slicer for tests: see README.md."""

from .start import start

start()

from .application.dialogs import Dialog, UnansweredQuestion, answers, dialogs  # noqa: E402
from .application.packaging import pip_calls  # noqa: E402
from .application.sample_data import sources as sample_data  # noqa: E402
from .application.views import views  # noqa: E402
from .events import grab, run_events  # noqa: E402
from .loading import LoadedModule, complete_startup, load_module, reset  # noqa: E402

__all__ = [
    "Dialog",
    "LoadedModule",
    "UnansweredQuestion",
    "answers",
    "complete_startup",
    "dialogs",
    "grab",
    "load_module",
    "pip_calls",
    "reset",
    "run_events",
    "sample_data",
    "views",
]
