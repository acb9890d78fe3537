"""Path edits that tell of every change, and take files that are dropped onto them."""

from collections.abc import Callable

import qt


def connectPath(edit, onChanged: Callable[[str], None]) -> None:
    """Call back with each new path of a ``ctkPathLineEdit``, and with an empty one when the user clears it.

    Its ``currentPathChanged`` tells acceptable paths only, and an empty one is not acceptable. What is dropped onto it
    is an address, ``file:///...``.
    """

    def onPath(path: str) -> None:
        if path.startswith("file:"):
            edit.currentPath = qt.QUrl(path).toLocalFile()  # which calls back
        else:
            onChanged(path)

    edit.currentPathChanged.connect(onPath)
    edit.validInputChanged.connect(lambda isValid: None if isValid else onChanged(edit.currentPath))
