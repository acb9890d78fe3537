"""How segmenters learn: patches with what is rare in the middle as often as what is common, Dice and cross entropy."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..errors import UserError
from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from ..models.store import find_model
from ..training.players import Player
from ..training.settings import TrainingSettings
from .losses import deep_loss
from .network import FILTERS, NETWORKS, STRIDE, build, channels_last, outputs
from .patches import LabeledVolume, LabeledVolumes, patch
from .scoring import outlined, overlaps
from .segmenter import Segmenter
from .tasks import find_task


@dataclass(frozen=True)
class SegmentationSettings(TrainingSettings):
    """The settings of a run.

    Attributes:
        task: ``chest``, ``kidney``, ``nodule``, or ``labels`` for those of the data set that ``labels`` names.
        labels: of the task ``labels``; see ``tasks.find_task``.
        withhold: names of labels that the model does not offer, since too few patients have them; see
            ``tasks.find_task``.
        network: one of ``NETWORKS``.
        filters: channels at full resolution; 0 for the network's own.
        patch: voxels along each side that the network sees at a time.
        start_from: a model of the store or its folder to go on from; empty to begin anew.
    """

    learning_rate: float = 2e-3
    task: str = "chest"
    labels: str = ""
    withhold: str = ""
    network: str = "SegResNet"
    filters: int = 0
    patch: int = 112
    start_from: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        find_task(self.task, self.labels, self.withhold)
        if self.network not in NETWORKS:
            raise UserError(f"There is no network {self.network}.", f"Choose one of {', '.join(NETWORKS)}.")
        self.check("filters", 0, 256)
        self.check("patch", 4 * STRIDE, 512)
        if self.patch % STRIDE:
            raise UserError(f"The setting patch cannot be {self.patch}.", f"Choose a multiple of {STRIDE}.")


class SegmentationRecipe:
    """Trains a network on prepared pairs (see ``preparation``); see ``training.players.Recipe``.

    Raises:
        UserError: the model to start from is of another network or task.
    """

    def __init__(self, settings: SegmentationSettings, data: LabeledVolumes, device: str) -> None:
        self.settings, self.device = settings, torch.device(device)
        self.task = find_task(settings.task, settings.labels, settings.withhold)
        torch.manual_seed(settings.seed)
        filters = settings.filters or FILTERS[settings.network]
        network = channels_last(build(settings.network, self.task.classes, filters).to(self.device))
        if settings.start_from:
            _start_from(network, settings.start_from)
        network.task, network.patch = self.task, settings.patch  # for whoever uses it
        self.average = copy.deepcopy(network).requires_grad_(False)
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
        self.players = {"segmenter": Player(network, optimizer, self._rate)}

    def examples(self, items: list[LabeledVolume], seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Deformed patches: images within the task's window as -1 to 1, and sets of possible labels."""
        pairs = []
        for item, seed in zip(items, seeds, strict=True):
            torch.manual_seed(seed)
            pairs.append(patch(item, self.task, self.settings.patch, self.device))
        hu, sets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        low, high = self.task.window
        return ((hu - low) / (high - low)).clip(0, 1) * 2 - 1, sets

    def losses(self, player: str, network: nn.Module, batch: tuple, number: int) -> dict[str, torch.Tensor]:
        """Dice and cross entropy of all levels."""
        image, sets = batch
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            levels = outputs(network, image.to(memory_format=torch.channels_last_3d))
        return {"overlap": deep_loss(levels, sets)}

    def validate(self, data: LabeledVolumes) -> tuple[dict[str, float], dict[str, Volume]]:
        """``dice``: mean over the structures of each patient held out, then over the patients; and that of each."""
        segmenter = Segmenter(copy.deepcopy(self.average), self.task, self.settings.patch, str(self.device))
        scores, volumes = [], {}
        for index in range(len(data)):
            item = data[index]
            classes = segmenter.classes(np.asarray(item.hu, np.float32))
            scores.append(overlaps(classes, item.sets, self.task))
            if not volumes:
                grid = Grid.centered(item.hu.shape, self.task.spacing)
                shown = {"prediction": classes, "truth": certain(item.sets)}
                volumes = {name: Volume(outlined(item.hu, found), grid) for name, found in shown.items()}
        means = [float(np.mean(list(score.values()))) for score in scores if score]
        names = dict.fromkeys(name for score in scores for name in score)
        each = {f"dice {name}": float(np.mean([s[name] for s in scores if name in s])) for name in names}
        return {"dice": float(np.mean(means)) if means else 0.0, **each}, volumes

    def _rate(self, number: int) -> float:
        """The learning rate: it warms up and falls as a cosine."""
        warm_up = min(1.0, (number + 1) / 50)
        return self.settings.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * number / self.settings.steps))


def _start_from(network: nn.Module, name: str) -> None:
    try:
        network.load_state_dict(find_model(name).weights())
    except RuntimeError as error:  # torch's, where names or shapes differ
        advice = "Start from another model, or from none."
        raise UserError(f"The model {name} is not of this network and task.", advice) from error


def certain(sets: np.ndarray) -> np.ndarray:
    """The class of each voxel whose label is known, uint8; 0 elsewhere."""
    known = (sets & (sets - 1)) == 0
    return np.where(known, np.log2(np.maximum(sets, 1)).round(), 0).astype(np.uint8)
