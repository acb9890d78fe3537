"""Signals as PythonQt shows them: ``button.clicked.connect(f)`` and ``button.connect("clicked(bool)", f)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import shiboken6
from PySide6.QtCore import QMetaMethod, QObject, SignalInstance

from .errors import guarded

_native_connect = QObject.connect
_native_disconnect = QObject.disconnect
_destroyed = QObject.destroyed

# C++ address -> [(signature, callable, the wrapper Qt calls)]. Keyed by address because PySide may make a new Python
# object for the same widget, and PythonQt's connections belong to the C++ one.
_connections: dict[int, list[tuple[str, Callable, Callable]]] = {}


def signatures(sender: QObject, name: str) -> list[str]:
    """Qt's own signatures of the signals with this name, the one with most arguments first."""
    meta = sender.metaObject()
    methods = [meta.method(index) for index in range(meta.methodCount())]
    found = [
        bytes(method.methodSignature()).decode()
        for method in methods
        if method.methodType() == QMetaMethod.MethodType.Signal and bytes(method.name()).decode() == name
    ]
    return sorted(found, key=lambda text: -len(_types(text)))


def _types(signature: str) -> list[str]:
    inside = signature.partition("(")[2].rstrip(")").strip()
    return inside.split(",") if inside else []


def resolve(sender: QObject, signature: str) -> str:
    """Qt's signature for what the caller wrote; an unknown signal is an error here, where PythonQt only prints."""
    name, bracket, _ = signature.partition("(")
    if bracket:
        wanted = [_plain(text) for text in _types(signature)]
        for candidate in signatures(sender, name):
            if _declared_types(sender, candidate) == wanted:
                return candidate
    raise AttributeError(f"signal '{signature}' does not exist on {type(sender).__name__}")


def _plain(type_name: str) -> str:
    text = type_name.strip().removeprefix("const ")
    return text.removesuffix("&").strip().replace(" *", "*")


def _declared_types(sender: QObject, candidate: str) -> list[str]:
    # A stand-in's signal carries Python objects; its class says which C++ type the real signal has.
    real = getattr(type(sender), "CPP_SIGNAL_TYPES", {}).get(candidate.partition("(")[0])
    return [real if real and text == "PyObject" else _plain(text) for text in _types(candidate)]


def connect(sender: QObject, signature: str, target: Callable) -> bool:
    """Connects one of Qt's own signatures to a callable."""

    def deliver(*arguments: object) -> None:
        guarded(target, arguments[: _wanted_arguments(target, len(arguments))])

    address = shiboken6.getCppPointer(sender)[0]
    if address not in _connections:
        _connections[address] = []
        _native_connect(sender, "2destroyed()", lambda: _connections.pop(address, None))
    _connections[address].append((signature, target, deliver))
    return bool(_native_connect(sender, f"2{signature}", deliver))


def disconnect(sender: QObject, signature: str, target: Callable | None) -> bool:
    """Disconnects a callable, or all with None; false where there was nothing to disconnect."""
    kept, removed = [], []
    for entry in _connections.get(shiboken6.getCppPointer(sender)[0], []):
        matches = entry[0] == signature and (target is None or entry[1] == target)
        (removed if matches else kept).append(entry)
    for known, _, deliver in removed:
        _native_disconnect(sender, f"2{known}", deliver)
    if removed:
        _connections[shiboken6.getCppPointer(sender)[0]] = kept
    return bool(removed)


def _wanted_arguments(target: Callable, offered: int) -> int:
    """PythonQt cuts the arguments to what a function or method takes, and for any other callable passes them all."""
    if not (inspect.isfunction(target) or inspect.ismethod(target)):
        return offered
    function = target.__func__ if inspect.ismethod(target) else target
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return offered
    return min(offered, function.__code__.co_argcount - (1 if inspect.ismethod(target) else 0))


class BoundSignal:
    """What ``widget.signal`` gives: connect, disconnect, emit."""

    def __init__(self, sender: QObject, name: str, native: object) -> None:
        self._sender, self._name, self._native = sender, name, native

    def connect(self, target: Callable) -> bool:
        """Connects a callable."""
        if not callable(target):
            raise ValueError(f"cannot connect {self._name} to {target!r}, which is not callable")
        return connect(self._sender, signatures(self._sender, self._name)[0], target)

    def disconnect(self, target: Callable | None = None) -> bool:
        """Disconnects a callable, or all of them."""
        return disconnect(self._sender, signatures(self._sender, self._name)[0], target)

    def emit(self, *arguments: object) -> None:
        """Emits the signal."""
        self._native.emit(*arguments)

    __call__ = emit


class SignalDescriptor:
    """Stands on a Qt class in place of PySide's signal."""

    def __init__(self, name: str, native: object) -> None:
        self._name, self._native = name, native

    def __get__(self, sender: QObject | None, owner: type) -> object:
        if sender is None:
            return self._native
        return BoundSignal(sender, self._name, self._native.__get__(sender, owner))

    def __set__(self, sender: QObject, value: object) -> None:
        if isinstance(value, SignalInstance):  # PySide itself, which stores its own bound signal on first use
            return
        raise AttributeError(f"Signal '{self._name}' can not be overwritten on {type(sender).__name__} object")


def object_connect(sender: QObject, signal: str, target: object, slot: str | None = None) -> bool:
    """``sender.connect("clicked(bool)", f)`` or ``sender.connect("clicked()", receiver, "accept()")``."""
    signature = resolve(sender, signal)
    return connect(sender, signature, target if slot is None else _slot(target, slot))


def object_disconnect(sender: QObject, signal: str, target: object = None, slot: str | None = None) -> bool:
    """The reverse of ``connect``, with the same arguments."""
    signature = resolve(sender, signal)
    return disconnect(sender, signature, target if slot is None else _slot(target, slot))


def _slot(receiver: QObject, slot: str) -> Callable:
    member = getattr(receiver, slot.partition("(")[0])
    return member.emit if isinstance(member, BoundSignal) else member
