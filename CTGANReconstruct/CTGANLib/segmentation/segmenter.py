"""A trained network at work: windows of a CT one by one, put together, cleaned up and brought onto the CT's grid."""

import math
import time

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from monai.inferers import sliding_window_inference
from torch import nn
from torch.nn import functional as F

from ..errors import UserError
from ..events import Progress, part, silent
from ..imaging import masks
from ..imaging.geometry import Grid
from ..imaging.resampling import grid_part, resample_parallel
from ..imaging.volumes import Volume
from ..models.bundle import Model
from .bone import sharpened
from .cleaning import clean
from .labels import Label
from .memory import SMALLEST_WINDOW, fitting_window, smaller
from .network import channels_last, definitions
from .preparation import aligned, on_task_grid
from .tasks import Task, find_task

TASK = "segmentation"
"""What the model store calls models that segment."""

_OVERLAP = 0.5
_TISSUE_HU, _MARGIN = -500, 8
# Slices of the result at a time, and the probability below which a voxel is not of a class.
_SLAB, _UNLIKELY = 32, 0.02


def learned(model: Model) -> tuple[Task, int]:
    """The task of a segmentation model, and the side of the windows it has learned in, voxels.

    Raises:
        UserError: it does not say.
    """
    try:
        settings = model.metadata["ctgan"]["settings"]
        names = (str(settings.get(key, "")) for key in ("task", "labels", "withhold"))
        return find_task(*names), int(settings["patch"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"The model {model.name} does not say what it has learned.", "Import it again.") from error


class Segmenter:
    """Labels CTs.

    Attributes:
        task: whose labels they are.
        seconds_a_window: what one window takes, once :meth:`__call__` or :meth:`classes` has begun.
    """

    def __init__(self, network: nn.Module, task: Task, window: int, device: str = "cpu", flips: bool = False) -> None:
        """Get ready.

        Args:
            network: its classes are those of the task.
            task: what it has learned.
            window: voxels along each side that it sees at a time.
            device: of torch.
            flips: whether to look at each window in a mirror too, which takes twice as long; for tasks without sides.
        """
        self.task, self.seconds_a_window = task, 0.0
        self._network = channels_last(network.to(device)).eval()
        self._window, self._device, self._flips = window, torch.device(device), flips and task.mirrored

    @classmethod
    def from_model(cls, model: Model, device: str = "cpu", flips: bool = False) -> "Segmenter":
        """The segmenter of a model.

        Raises:
            UserError: the model is for another task, foreign, or damaged.
        """
        network = model.load(TASK, definitions())
        return cls(network, *learned(model), device, flips)

    def __call__(self, volume: Volume, progress: Progress = silent) -> Volume:
        """The label map of a CT in HU, on the CT's own grid: uint8, the values of the task's labels, 0 for none.

        Raises:
            UserError: the memory does not suffice.
        """
        self._fitting(aligned(volume.grid, self.task.spacing).shape)  # before any of it is taken
        ct = on_task_grid(volume, self.task)
        shares = self._shares(ct.array, part(progress, 0, 0.8))
        self._clean(shares, ct.array)
        progress(0.8, "Bringing the labels onto the CT's voxels")
        return _label_map(shares, ct.grid, volume.grid, self.task.labels, part(progress, 0.8, 0.2))

    def classes(self, hu: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """The class of each voxel, uint8 [k, j, i], of HU on voxels of the task's spacing.

        Raises:
            UserError: the memory does not suffice.
        """
        shares = self._shares(hu, progress)
        return self._clean(shares, hu)

    def _clean(self, shares: torch.Tensor, hu: np.ndarray) -> np.ndarray:
        """Apply the task's rules to shares [classes, k, j, i], in place; return the classes.

        What a rule takes away from a label becomes what is likeliest beside it.

        Args:
            shares: how likely each class is.
            hu: of the CT [k, j, i].
        """
        if self.task.dense:
            self._sharpen(shares, hu)
        found = shares.argmax(0)
        cleaned = torch.from_numpy(clean(found.to(torch.uint8).numpy(), self.task))
        removed = (cleaned == self.task.rest) & (found != self.task.rest)
        others = shares[:, removed].scatter_(0, found[removed][None], 0)
        found[removed] = others.argmax(0)
        cleaned = torch.from_numpy(clean(found.to(torch.uint8).numpy(), self.task))
        changed = cleaned != shares.argmax(0)
        shares[:, changed] = 0
        for number in range(len(shares)):
            shares[number][(cleaned == number) & changed] = 1
        return cleaned.numpy()

    def _sharpen(self, shares: torch.Tensor, hu: np.ndarray) -> None:
        """Give bones the borders that they have in the CT, in place."""
        bones = [self.task.labels.index(label) + 1 for label in self.task.dense]
        found = torch.isin(shares.argmax(0), torch.tensor(bones))
        wanted = torch.from_numpy(sharpened(found.numpy(), hu, self.task.spacing))
        for changed, classes in ((wanted & ~found, bones), (found & ~wanted, self._all_but(bones))):
            likeliest = torch.tensor(classes)[shares[classes][:, changed].argmax(0)]
            shares[:, changed] = F.one_hot(likeliest, len(shares)).T.to(shares.dtype)

    def _all_but(self, classes: list[int]) -> list[int]:
        return [number for number in range(self.task.classes) if number not in classes]

    @torch.no_grad()
    def _shares(self, hu: np.ndarray, progress: Progress) -> torch.Tensor:
        """How likely each class is, float16 [classes, k, j, i], on the CPU."""
        tissue = masks.box(hu > _TISSUE_HU, _MARGIN)
        shares = torch.zeros((self.task.classes, *hu.shape), dtype=torch.float16)
        shares[0] = 1
        if not hu[tissue].size:
            return shares
        low, high = self.task.window
        image = torch.from_numpy(np.ascontiguousarray(hu[tissue], np.float32))
        image = ((image - low) / (high - low)).clip(0, 1).mul(2).sub(1).half()[None, None]
        window = self._fitting(hu.shape)
        while True:
            try:
                shares[(slice(None), *tissue)] = self._slide(image, window, progress)[0]
                break
            except RuntimeError as error:
                if "memory" not in str(error) or window <= SMALLEST_WINDOW:
                    raise
                window = smaller(window)
        for label in self.task.withheld:
            share = shares[self.task.labels.index(label) + 1]
            shares[self.task.rest] += share
            share.zero_()
        return shares

    def _fitting(self, shape: tuple[int, ...]) -> int:
        """The window for a CT of so many voxels at the task's spacing."""
        return fitting_window(math.prod(shape), self.task.classes, self._window)

    def _slide(self, image: torch.Tensor, window: int, progress: Progress) -> torch.Tensor:
        sides = tuple(max(size, window) for size in image.shape[2:])
        step = (max(int(window * (1 - _OVERLAP)), 1),) * 3
        count = len(dense_patch_slices(sides, (window,) * 3, step))
        began = time.monotonic()
        self._seen(torch.full((1, 1, *(window,) * 3), -1.0, dtype=image.dtype, device=self._device))
        self.seconds_a_window = time.monotonic() - began
        progress(0.0, f"Segmenting, about {count * self.seconds_a_window:.0f} s")
        done = 0

        def seen(windows: torch.Tensor) -> torch.Tensor:
            nonlocal done
            done += 1
            progress(done / count, f"Segmenting, part {done} of {count}")
            return self._seen(windows)

        return sliding_window_inference(
            *(image, window, 1, seen, _OVERLAP),
            mode="gaussian",
            cval=-1.0,
            sw_device=self._device,
            device=torch.device("cpu"),
        )

    def _seen(self, windows: torch.Tensor) -> torch.Tensor:
        """The shares of windows [batch, 1, k, j, i], float16."""
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            logits = self._network(windows.float().to(memory_format=torch.channels_last_3d)).float()
            if self._flips:
                logits = (logits + self._network(windows.float().flip(-1)).float().flip(-1)) / 2
        return logits.softmax(1).half()


def _label_map(
    shares: torch.Tensor, source: Grid, target: Grid, labels: tuple[Label, ...], progress: Progress
) -> Volume:
    """The likeliest class of each voxel of another grid, as label values.

    Shares are interpolated, not classes, so that borders are smooth; slab by slab, so that memory holds one of them.
    """
    result = np.zeros(target.shape, np.uint8)
    values = (0, *(label.value for label in labels))
    boxes = [masks.box((share > _UNLIKELY).numpy(), margin=1) for share in shares]
    for first in range(0, target.shape[0], _SLAB):
        progress(first / target.shape[0], "Bringing the labels onto the CT's voxels")
        slab = slice(first, min(first + _SLAB, target.shape[0])), *(slice(0, size) for size in target.shape[1:])
        grid = grid_part(target, slab)
        best = np.zeros(grid.shape, np.float32)
        for value, share, box in zip(values, shares, boxes, strict=True):
            if not share.numpy()[box].size:
                continue
            here = Volume(share.numpy()[box].astype(np.float32), grid_part(source, box))
            likely = resample_parallel(here, grid, 0.0).array
            better = likely > best
            best[better] = likely[better]
            result[slab][better] = value
    return Volume(result, target)
