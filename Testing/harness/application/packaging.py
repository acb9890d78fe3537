"""Stands in for slicer.packaging: reads requirements as Slicer does, and writes down what it would install."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer.util
from packaging.requirements import InvalidRequirement, Requirement

pip_calls: list[dict[str, Any]] = []


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements in a file; comments and pip's options are left out."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _requirements(given: str | Requirement | list[str | Requirement]) -> list[Requirement]:
    if isinstance(given, str):
        try:
            return [Requirement(given)]
        except InvalidRequirement:
            return [Requirement(text) for text in given.split()]
    if isinstance(given, Requirement):
        return [given]
    if isinstance(given, list):
        return [Requirement(item) if isinstance(item, str) else item for item in given]
    raise TypeError(f"Expected str, Requirement, or list, got {type(given).__name__}")


def pip_check(req: str | Requirement | list[str | Requirement]) -> bool:
    """Whether the requirements are met here."""
    return all(_is_met(requirement) for requirement in _requirements(req))


def _is_met(requirement: Requirement) -> bool:
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def pip_ensure(
    requirements: str | Requirement | list[str | Requirement],
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Asks whether what is missing may be installed; RuntimeError when the user declines."""
    missing = [requirement for requirement in _requirements(requirements) if not pip_check(requirement)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    listing = "\n".join(f"- {requirement}" for requirement in missing)
    title = f"{requester} - Install Python Packages" if requester else "Install Python Packages"
    question = f"{len(missing)} Python package(s) must be installed. Continue?"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(question, title, detailedText=listing):
        raise RuntimeError("User declined package installation")
    return pip_install([str(r) for r in missing], constraints, skip_packages=skip_packages, requester=requester)


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    no_deps_requirements: str | list[str] | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> list[str] | None:
    """Writes the call down; nothing is installed."""
    if skip_packages is not None and (no_deps_requirements is not None or not blocking):
        raise ValueError("skip_packages goes neither with no_deps_requirements nor with blocking=False")
    pip_calls.append(
        {
            "command": "install",
            "requirements": requirements,
            "constraints": constraints,
            "no_deps_requirements": no_deps_requirements,
            "skip_packages": skip_packages,
            "requester": requester,
        }
    )
    if not blocking and completedCallback:
        completedCallback(0)
    return None if skip_packages is None else []


def pip_uninstall(requirements: str | list[str], blocking: bool = True, **callbacks: Any) -> None:
    """Writes the call down; nothing is removed."""
    pip_calls.append({"command": "uninstall", "requirements": requirements})
