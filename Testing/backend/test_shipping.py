"""What is not listed in a CMakeLists.txt does not ship, and where the project lives is said once."""

import json
import re
import subprocess

import pytest

from shipping import MODULES, ROOT, listedFiles

SHIPPING_RESOURCES = ("requirements", "Cluster/", "Models/", "SampleData/")


def repositoryFiles() -> set[str]:
    """Tracked files, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return {name for name in output.splitlines() if (ROOT / name).is_file()}


@pytest.mark.parametrize("module", MODULES)
def test_module_lists_are_complete(module):
    prefix = f"{module}/"
    present = {name.removeprefix(prefix) for name in repositoryFiles() if name.startswith(prefix)} - {"CMakeLists.txt"}
    scripts, resources = listedFiles(module, "MODULE_PYTHON_SCRIPTS"), listedFiles(module, "MODULE_PYTHON_RESOURCES")
    assert sorted(scripts) == sorted(name for name in present if name.endswith(".py"))
    assert sorted(resources) == sorted(name for name in present if not name.endswith(".py"))


def test_shared_resources_are_complete():
    present = {name.removeprefix("Resources/") for name in repositoryFiles() if name.startswith("Resources/")}
    shipping = sorted(name for name in present if name.startswith(SHIPPING_RESOURCES))
    assert sorted(listedFiles("Resources", "CTGAN_RESOURCES")) == shipping


def test_every_folder_with_a_list_is_built():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.findall(r"add_subdirectory\((\w+)\)", text) == ["CTGANReconstruct", "CTGANTrain", "Resources"]


def cmakeVariable(name: str) -> str:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    (value,) = re.findall(rf'^set\({name} "([^"]+)"\)$', text, re.MULTILINE)
    return value


def test_repository_address_is_said_once():
    address = cmakeVariable("CTGAN_REPOSITORY")
    owner = address.removeprefix("https://github.com/")
    index = json.loads((ROOT / "Resources/CTGAN.json").read_text(encoding="utf-8"))
    assert index["scm_url"] == address

    mentions = []
    for name in repositoryFiles():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        mentions += [name] * text.count(address)
    assert sorted(mentions) == ["CMakeLists.txt", "Resources/CTGAN.json"]

    for variable in ("EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"):
        for picture in cmakeVariable(variable).split():
            start = f"https://raw.githubusercontent.com/{owner}/{index['scm_revision']}/"
            assert picture.startswith(start)
            assert (ROOT / picture.removeprefix(start)).is_file()


def test_extension_is_named_as_the_index_demands():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.findall(r"project\((\w+)\)", text) == ["CTGAN"]
    assert cmakeVariable("EXTENSION_DEPENDS") == "PyTorch"
    index = json.loads((ROOT / "Resources/CTGAN.json").read_text(encoding="utf-8"))
    assert index["build_dependencies"] == ["PyTorch"]
    assert set(index) >= {"$schema", "category", "scm_url"}


def test_requirements_leave_slicers_own_packages_alone():
    lines = (ROOT / "Resources/requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    names = {re.split(r"[<>=!~ ]", line)[0].lower() for line in requirements}
    assert names.isdisjoint({"torch", "torchvision", "numpy", "scipy", "simpleitk", "vtk", "requests"})
    assert all(">=" in line for line in requirements)
