"""From noise to CT volumes, with a trained pyramid."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..errors import UserError
from ..events import Progress, part, silent
from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from ..models.bundle import Model
from ..seeds import check_seed
from .network import PyramidGenerator
from .scales import Shape, to_hu

MOST_VOLUMES = 10_000
_MOST_VOXELS = 2**26  # at some 130 bytes each


class Synthesizer:
    """Makes volumes with a pyramid.

    Args:
        network: the pyramid.
        device: of torch.
        learned_from: names of the cases that it has learned from, where they are known.

    Raises:
        UserError: the pyramid has learned nothing.
    """

    def __init__(self, network: PyramidGenerator, device: str = "cpu", learned_from: Sequence[str] = ()) -> None:
        self.network, self.device = network.to(device).eval(), torch.device(device)
        self.learned_from = set(learned_from)
        if not network.trained:
            raise UserError("This pyramid has learned nothing yet.", "Train it first.")
        self._shapes = network.shapes[: network.trained]

    @classmethod
    def from_model(cls, model: Model, device: str = "cpu") -> "Synthesizer":
        """That of a model of the store.

        Raises:
            UserError: the model is for another task, or damaged.
        """
        network = model.load("pyramid", {PyramidGenerator.__name__: PyramidGenerator})
        return cls(network, device, model.metadata["ctgan"].get("trained_on", ()))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Of the voxels along i, j, k, mm."""
        whole, made = self.network.shapes[-1], self._shapes[-1]
        return tuple(s * n / m for s, n, m in zip(self.network.spacing, whole[::-1], made[::-1], strict=True))

    @property
    def shape(self) -> Shape:
        """Voxels (k, j, i) of a volume of the size that was learned from."""
        return self._shapes[-1]

    def volumes(
        self,
        count: int,
        seed: int,
        size: tuple[int, int, int] | None = None,
        start_scale: int | None = None,
        class_name: str = "",
        progress: Progress = silent,
    ) -> Iterator[Volume]:
        """New volumes: int16 HU around the origin, along R, A, S.

        Args:
            count: how many.
            seed: of the first one; the next ones follow it. The same seed gives the same volume on the same device.
            size: voxels along i, j, k; by default as learned. The voxels stay as large.
            start_scale: the first scale whose noise is random, 0 the coarsest; the ones before make a volume learned
                from. The later, the more like that one.
            class_name: of other models; not to be given.
            progress: called after each scale of each volume.

        Raises:
            UserError: a value makes no sense for this model.
        """
        if class_name:
            raise UserError(f"This model knows no class {class_name}.", "Leave it out.")
        if not 1 <= count <= MOST_VOLUMES:
            raise UserError(f"{count} volumes cannot be made.", f"Ask for 1 to {MOST_VOLUMES}.")
        check_seed(seed, count)
        start, shapes = start_scale or 0, self._sized(size)
        if not 0 <= start < len(shapes):
            raise UserError(f"There is no scale {start}.", f"Choose one from 0 to {len(shapes) - 1}.")
        parts = [part(progress, n / count, 1 / count, f"Volume {n + 1} of {count}, ") for n in range(count)]
        return (self._volume(seed + number, shapes, start, each) for number, each in enumerate(parts))

    def warnings(
        self, count: int, size: tuple[int, int, int] | None = None, start_scale: int | None = None
    ) -> list[str]:
        """What to know of such :meth:`volumes`, a sentence each."""
        found = []
        if start_scale:
            found.append(f"All scales below {start_scale} are those of a volume that the model has learned from.")
        if size and tuple(size) != self.shape[::-1] and (start_scale or self.network.deformation):
            learned = " x ".join(map(str, self.shape[::-1]))
            found.append(f"The anatomy is stretched to the size; the model has learned from {learned} voxels.")
        return found

    def reconstruction(self, number: int) -> Volume:
        """A training volume, by its number, as the pyramid makes it, int16 HU."""
        with torch.inference_mode(), self._precision():
            volumes = torch.tensor([number], device=self.device)
            return self._finished(self.network.reconstruct(volumes, len(self._shapes)))

    def _volume(self, seed: int, shapes: list[Shape], start: int, progress: Progress) -> Volume:
        with torch.inference_mode(), self._precision():
            begun = None
            if start:
                learned = torch.tensor([seed % len(self.network.fixed_noise)], device=self.device)
                begun = self.network.reconstruct(learned, start)
            return self._finished(self.network.sample(seed, shapes, start, begun, progress))

    def _sized(self, size: tuple[int, int, int] | None) -> list[Shape]:
        """Voxels (k, j, i) of each scale for a volume of this size along i, j, k."""
        if size is None:
            return self._shapes
        wanted, learned, coarsest = tuple(size)[::-1], self._shapes[-1], self._shapes[0]
        if self.network.dimensions == 2 and wanted[0] != learned[0]:
            raise UserError(f"This model always makes {learned[0]} slices.", "Ask for as many.")
        if any(want < least for want, least in zip(wanted, coarsest, strict=True)):
            text = " x ".join(map(str, coarsest[::-1]))
            raise UserError("The size is smaller than the coarsest scale.", f"Ask for at least {text} voxels.")
        if np.prod(wanted, dtype=float) > _MOST_VOXELS:
            raise UserError("A volume of this size does not fit into memory.", "Ask for a smaller one.")
        return [
            tuple(max(round(want * n / m), 1) for want, n, m in zip(wanted, shape, learned, strict=True))
            for shape in self._shapes
        ]

    def _finished(self, unit: torch.Tensor) -> Volume:
        hu = to_hu(self.network.unfolded(unit.float())[0, 0]).round().short().cpu().numpy()
        return Volume(hu, Grid.centered(hu.shape, self.spacing))

    def _precision(self) -> torch.autocast:
        # As in training, whose rounding the scales have learned with.
        return torch.autocast(self.device.type, dtype=torch.bfloat16)
