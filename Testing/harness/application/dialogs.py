"""Dialogs are recorded and answered by the test, never shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6 import QtWidgets

from ..pythonqt.errors import was_shown


@dataclass(frozen=True)
class Dialog:
    """One dialog that the user would have seen."""

    kind: str
    text: str
    detail: str = ""


class UnansweredQuestion(AssertionError):
    """The code asked the user something and the test did not say what the user answers."""


dialogs: list[Dialog] = []
answers: list[object] = []


def record(kind: str, text: str, detail: str = "") -> Dialog:
    """Keeps a dialog."""
    dialogs.append(Dialog(kind, text, detail))
    return dialogs[-1]


def ask(kind: str, text: str, detail: str = "") -> object:
    """Keeps a question and gives the oldest waiting answer."""
    dialog = record(kind, text, detail)
    if not answers:
        raise UnansweredQuestion(f"no answer waiting for {dialog}")
    return answers.pop(0)


def _run_dialog(dialog: QtWidgets.QDialog) -> int:
    """QDialog.exec: the answer is accepted or not, or a function that works the dialog and leaves its result."""
    answer = ask("dialog", dialog.windowTitle)
    if callable(answer):
        answer(dialog)
    else:
        dialog.done(int(bool(answer)))
    return dialog.result()


_KINDS = {
    QtWidgets.QMessageBox.Icon.Critical: "error",
    QtWidgets.QMessageBox.Icon.Warning: "warning",
    QtWidgets.QMessageBox.Icon.Question: "confirm",
}


def _run_message_box(box: QtWidgets.QMessageBox) -> int:
    kind = _KINDS.get(box.icon, "info")
    detail = "\n".join(text for text in (box.informativeText, box.detailedText) if text)
    if not box.buttons():
        box.addButton(QtWidgets.QMessageBox.StandardButton.Ok)
    box.setDetailedText("")  # takes away "Show Details...", which is no answer
    if len(box.buttons()) == 1:
        record(kind, box.text, detail)
        button = box.buttons()[0]
    else:
        button = _chosen(box, ask(kind, box.text, detail))
    button.click()
    return box.result()


def _chosen(box: QtWidgets.QMessageBox, answer: object) -> QtWidgets.QAbstractButton:
    """The button for an answer: yes or no, a button's text, or a standard button."""
    if isinstance(answer, bool):
        roles = QtWidgets.QMessageBox.ButtonRole
        wanted = (roles.AcceptRole, roles.YesRole) if answer else (roles.RejectRole, roles.NoRole)
        matches = [button for button in box.buttons() if box.buttonRole(button) in wanted]
    elif isinstance(answer, str):
        matches = [button for button in box.buttons() if button.text.replace("&", "") == answer]
    else:
        matches = [button for button in box.buttons() if box.standardButton(button) == answer]
    if not matches:
        raise UnansweredQuestion(f"{answer!r} is no button of '{box.text}': {[b.text for b in box.buttons()]}")
    return matches[0]


def _static_message(icon: str) -> Callable:
    standard = QtWidgets.QMessageBox.StandardButton
    default = standard.Yes | standard.No if icon == "Question" else standard.Ok

    def show(parent: object, title: str, text: str, buttons: object = default, default_button: object = None) -> object:
        box = QtWidgets.QMessageBox(getattr(QtWidgets.QMessageBox.Icon, icon), title, text, buttons)
        return standard(_run_message_box(box))

    return show


def _file_question(kind: str, empty: object) -> Callable:
    def show(parent: object = None, caption: str = "", *_: object, **__: object) -> object:
        answer = ask(kind, caption)
        return answer if answer else empty

    return show


def _input_question(parent: object, title: str, label: str, *_: object, **__: object) -> object:
    return ask("input", label, title)


def _is_in_a_dialog(error: BaseException) -> bool:
    return any(dialog.kind == "error" and str(error) in dialog.text for dialog in dialogs)


def install() -> None:
    """Puts the recorder in the place of everything in Qt that waits for the user."""
    was_shown.append(_is_in_a_dialog)
    for name in ("exec", "exec_"):
        setattr(QtWidgets.QDialog, name, _run_dialog)
        setattr(QtWidgets.QMessageBox, name, _run_message_box)
    for icon in ("Question", "Information", "Warning", "Critical"):
        setattr(QtWidgets.QMessageBox, icon.lower(), staticmethod(_static_message(icon)))
    files = QtWidgets.QFileDialog  # PythonQt gives the path alone, where PySide adds the chosen filter
    files.getOpenFileName = staticmethod(_file_question("openFile", ""))
    files.getOpenFileNames = staticmethod(_file_question("openFile", ()))
    files.getSaveFileName = staticmethod(_file_question("saveFile", ""))
    files.getExistingDirectory = staticmethod(_file_question("directory", ""))
    for name in ("getText", "getInt", "getDouble", "getItem"):
        setattr(QtWidgets.QInputDialog, name, staticmethod(_input_question))
