"""The smallest room: a network that learns one number. And a program that runs its pipeline, for a test that kills it.

``python tiny_kit.py DATA OUT SECONDS``: each step of the training takes so many seconds more.
"""

import copy
import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from CTGANLib.datasets.find import find_cases
from CTGANLib.datasets.preparation import PreparedData
from CTGANLib.evaluation.scores import MEAN_VOLUME, NEAREST_VOLUME, TRUTH
from CTGANLib.files import staged
from CTGANLib.imaging.geometry import Grid
from CTGANLib.imaging.volumes import Volume
from CTGANLib.models.bundle import save_bundle
from CTGANLib.pipeline.gate import Condition
from CTGANLib.pipeline.pipeline import Pipeline
from CTGANLib.pipeline.plan import Plan
from CTGANLib.training.kit import Kit
from CTGANLib.training.players import Player
from CTGANLib.training.settings import TrainingSettings

# The number that the patients have, of which the network knows nothing at first.
LEVEL = 100.0
PATIENTS = {"a": "train", "b": "train", "c": "train", "d": "train", "e": "test", "f": "test"}


@dataclass(frozen=True)
class TinySettings(TrainingSettings):
    """So slow a learner that only a search helps."""

    steps: int = 16
    batch_size: int = 1
    learning_rate: float = 0.01
    validations: int = 4
    seconds: float = 0.0


class Number(torch.nn.Module):
    """The network: one number."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(()))


def volume(level: float) -> np.ndarray:
    return np.full((8, 8, 8), level, np.int16)


class TinyRecipe:
    """Moves the number towards the mean of a patient's voxels, as fast as it is told to."""

    def __init__(self, settings: TinySettings, data, device: str) -> None:
        self.settings, self.device = settings, torch.device(device)
        network = Number()
        optimizer = torch.optim.SGD(network.parameters(), lr=settings.learning_rate)
        self.players = {"generator": Player(network, optimizer, lambda number: settings.learning_rate, clip=1e9)}
        self.average = copy.deepcopy(network)

    def examples(self, items: torch.Tensor, seeds: list[int]) -> torch.Tensor:
        time.sleep(self.settings.seconds)
        return items.float().mean() / LEVEL

    def losses(self, player: str, network, batch: torch.Tensor, number: int) -> dict[str, torch.Tensor]:
        return {"distance": (self.players["generator"].network.level - batch) ** 2}

    def validate(self, data) -> tuple[dict[str, float], dict]:
        level = float(self.average.level.detach())
        true = float(np.mean([data[n].float().mean() for n in range(len(data))]))
        grid = Grid.centered((8, 8, 8), 2.0)
        shown = {"prediction": Volume(volume(level * LEVEL), grid), "truth": Volume(volume(true), grid)}
        return {"closeness": -abs(level * LEVEL - true)}, shown


def evaluate(predictors, cases, training, progress, show) -> list[dict]:
    rows = []
    others = [float(np.load(path).mean()) for path in training]
    for name, path in cases.items():
        true = float(np.load(path).mean())
        levels = {method: float(network.level.detach()) * LEVEL for method, network in predictors.items()}
        levels |= {MEAN_VOLUME: float(np.mean(others)) - 20, NEAREST_VOLUME: others[0] - 20}
        scored = [
            {"case": name, "method": method, "closeness": -abs(level - true), "error": abs(level - true)}
            for method, level in levels.items()
        ]
        rows += scored
        show(name, {TRUTH: volume(true), **{method: volume(level) for method, level in levels.items()}}, scored)
        progress(1.0, f"Scored {name}")
    return rows


def publish(folder, network, settings, trained_on, scores, hours, device):
    metadata = {
        "name": "A number",
        "ctgan": {
            "task": "biplanar",  # the store knows no other
            "license": "CC-BY-4.0",
            "trained_on": [case.name for case in trained_on],
            "settings": vars(settings),
        },
    }
    return save_bundle(folder, network, {"_target_": "tiny.Number"}, metadata, "# A number\n", "CC-BY-4.0\n")


KIT = Kit(
    task="biplanar",
    settings=TinySettings,
    recipe=TinyRecipe,
    load=None,
    wrap=lambda network, device: network,
    evaluate=evaluate,
    publish=publish,
    score="closeness",
    baselines=(MEAN_VOLUME, NEAREST_VOLUME),
    search={"learning_rate": (1e-3, 0.5)},
    prepare=lambda *arguments: prepare_numbers(*arguments),
)


def data_set(folder: Path) -> Path:
    """A data set whose CTs are text files with a number."""
    folder.mkdir()
    lines = ["id\trole\tpath"]
    for place, (name, role) in enumerate(PATIENTS.items()):
        (folder / f"{name}.nrrd").write_text(str(LEVEL + place))
        lines.append(f"{name}\t{role}\t{name}.nrrd")
    (folder / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")
    return folder


def prepare_numbers(settings, data, cache, progress) -> PreparedData:
    """Volumes of the numbers, in files named by content; no number, no case."""
    cases, prepared, left_out = find_cases(data), {}, {}
    Path(cache).mkdir(exist_ok=True)
    for case in cases:
        text = case.path.read_text()
        try:
            level = float(text)
        except ValueError:
            left_out[case.name] = "It holds no number."
            continue
        prepared[case.name] = Path(cache) / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.npy"
        with staged(prepared[case.name]) as temporary:
            np.save(temporary, volume(level))
    progress(1.0, "Prepared")
    return PreparedData([case for case in cases if case.name in prepared], left_out, prepared)


def make(data: Path, out: Path, **changes: object) -> Pipeline:
    """The pipeline of the tiny room, with a gate that only a search opens."""
    plan = {
        "recipe": "biplanar",
        "data": data,
        "folder": out,
        "settings": TinySettings(),
        "ranges": KIT.search,
        "gate": (Condition("closeness", True, -10.0),),
        "trials": 5,
        "name": "Tiny",
        "publish": None,
        "web_hook": "",
        "device": "cpu",
    }
    return Pipeline(KIT, Plan(**{**plan, **changes}))


if __name__ == "__main__":
    source, target, slowness = sys.argv[1:]
    make(Path(source), Path(target), settings=TinySettings(seconds=float(slowness))).run()
