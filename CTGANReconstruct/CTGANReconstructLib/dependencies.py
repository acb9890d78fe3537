"""The Python packages that the backend needs, installed on demand and with consent.

PyTorch comes through the PyTorch extension, which picks the build for the graphics card. What Slicer brings itself
(numpy, SimpleITK, ...) is held at its version. Nothing is imported here to see whether it is there.
"""

import importlib
import importlib.metadata
import tempfile
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

from .resources import sharedResource

_REQUESTER = "CTGAN"
_TORCH = "torch>=2.4"
_HELD = ("numpy", "scipy", "SimpleITK", "requests", "torch")


def missingPackages() -> list[str]:
    """The requirements that are not installed, or too old."""
    importlib.invalidate_caches()  # pip may just have changed what is there
    return [requirement for requirement in [_TORCH, *_requirements()] if not _isSatisfied(requirement)]


def installPackages() -> None:
    """Ask the user, and install what is missing.

    Raises:
        RuntimeError: the user declined, or the installation failed.
    """
    try:
        _installMissing()
    except CalledProcessError as error:  # of pip
        raise RuntimeError(
            _("The Python packages could not be installed. The Python console says why; most often it is the network.")
        ) from error
    if missing := missingPackages():
        raise RuntimeError(_("These Python packages could not be installed: {names}.").format(names=", ".join(missing)))


def _installMissing() -> None:
    if not _isSatisfied(_TORCH):
        _installTorch()
    requirements = [requirement for requirement in _requirements() if not _isSatisfied(requirement)]
    if requirements:
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text("".join(f"{line}\n" for line in _heldVersions()), encoding="utf-8")
            _installWithPip(requirements, constraints)


def _requirements() -> list[str]:
    lines = sharedResource("requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _isSatisfied(requirement: str) -> bool:
    from packaging.requirements import Requirement

    parsed = Requirement(requirement)
    version = _installedVersion(parsed.name)
    return version is not None and parsed.specifier.contains(version, prereleases=True)


def _installedVersion(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _heldVersions() -> list[str]:
    versions = {name: _installedVersion(name) for name in _HELD}
    return [f"{name}=={version}" for name, version in versions.items() if version]


def _installTorch() -> None:
    try:
        import PyTorchUtils
    except ModuleNotFoundError as error:
        raise RuntimeError(
            _("CTGAN needs the PyTorch extension. Install it in the Extensions Manager and restart Slicer.")
        ) from error
    installed = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=True, torchVersionRequirement=_TORCH.removeprefix("torch")
    )
    if installed is None:
        raise RuntimeError(_("CTGAN cannot compute without PyTorch, and its installation was declined."))


def _installWithPip(requirements: list[str], constraints: Path) -> None:
    try:
        from slicer.packaging import pip_ensure
    except ModuleNotFoundError:  # Slicer 5.10
        question = _("CTGAN needs these Python packages:\n\n{names}\n\nInstall them now?")
        if not slicer.util.confirmOkCancelDisplay(question.format(names="\n".join(requirements))):
            raise RuntimeError(_("CTGAN cannot compute without these Python packages.")) from None
        slicer.util.pip_install([*requirements, "-c", str(constraints)])
    else:
        pip_ensure(requirements, constraints=str(constraints), requester=_REQUESTER)
