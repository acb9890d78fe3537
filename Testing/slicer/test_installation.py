"""The modules as Slicer installs them: everything that ships, flat in one folder, and nothing else."""

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")
from shipping import MODULES, ROOT, installedFiles

LOAD = """
import sys, harness
for name in sys.argv[2:]:
    assert harness.load_module(f"{sys.argv[1]}/{name}.py").widget.panels[0].ui
harness.complete_startup()
print(len(harness.sample_data))
from CTGANReconstructLib.dependencies import missingPackages
from CTGANReconstructLib.resources import codeFolder, sharedResource
missingPackages()
print(codeFolder())
print(sharedResource("requirements.txt"))
"""


def test_installed_modules_load_and_find_what_they_need(tmp_path):
    folder = (tmp_path / "qt-scripted-modules").resolve()
    for name, source in installedFiles().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "Testing")}
    child = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), *MODULES],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    sampleCount, code, requirements = child.stdout.split("\n")[-4:-1]
    assert (sampleCount, code, requirements) == ("1", str(folder), str(folder / "Resources" / "requirements.txt"))
