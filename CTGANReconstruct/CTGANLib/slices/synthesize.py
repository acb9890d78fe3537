"""From noise to slices of CTs, or radiographs, and sets of them as a stack."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..errors import UserError
from ..events import Progress, silent
from ..imaging.attenuation import HU_MIN
from ..imaging.geometry import Grid
from ..imaging.volumes import Volume
from ..models.bundle import Model
from ..seeds import check_seed
from .network import GENERATORS, SliceGenerator
from .settings import BRIGHTNESS, CT, RADIOGRAPHS

_AT_A_TIME = 32
_MOST = 10_000
_MOST_PIXELS = 2**28  # a gigabyte


class Synthesizer:
    """Makes slices with a generator.

    Args:
        network: the generator.
        device: of torch.
        class_names: in the order of their numbers; empty for a generator that knows none.
    """

    def __init__(self, network: SliceGenerator, device: str = "cpu", class_names: Sequence[str] = ()) -> None:
        self.network, self.device = network.to(device), device
        self.class_names = list(class_names)

    @classmethod
    def from_model(cls, model: Model, device: str = "cpu") -> "Synthesizer":
        """That of a model of the store.

        Raises:
            UserError: the model is for another task, or damaged.
        """
        network = model.load("slices", GENERATORS)
        names = model.metadata["ctgan"].get("classes", [])
        known = isinstance(names, list) and len(names) == network.classes and all(isinstance(n, str) for n in names)
        return cls(network, device, names if known else _numbered(network))

    @property
    def window(self) -> tuple[float, float]:
        """Smallest and largest value of its pictures, HU or shares of brightness."""
        low, high = self.network.window.tolist()
        return low, high

    @property
    def kind(self) -> str:
        """``ct`` or ``radiographs``, as the window tells."""
        return RADIOGRAPHS if self.window == BRIGHTNESS else CT

    def volumes(
        self,
        count: int,
        seed: int,
        size: tuple[int, int, int] | None = None,
        class_name: str = "",
        start_scale: int | None = None,
        progress: Progress = silent,
    ) -> Iterator[Volume]:
        """One stack of ``count`` slices, the first of which stay the same where more are asked for.

        Args:
            count: of the slices.
            seed: the same seed gives the same slices on the same device.
            size, start_scale: of other models; not to be given.
            class_name: one of ``class_names``; by default they take turns.
            progress: called as slices are made.

        Raises:
            UserError: a value makes no sense for this model.
        """
        if size is not None or start_scale is not None:
            what = "other size" if size is not None else "scale to start from"
            raise UserError(f"A model of slices knows no {what}.", "Leave it out, or choose a pyramid.")
        most = min(_MOST, _MOST_PIXELS // self.network.size**2)
        if not 1 <= count <= most:
            raise UserError(f"{count} slices cannot be made.", f"Ask for 1 to {most}.")
        check_seed(seed)
        labels = self._labels(count, class_name)
        values = self.pictures([seed * _MOST + number for number in range(count)], labels, progress)
        yield self.stack(values)

    def warnings(
        self, count: int, size: tuple[int, int, int] | None = None, start_scale: int | None = None
    ) -> list[str]:
        """What to know of such :meth:`volumes`, a sentence each."""
        return ["The slices of the stack do not belong together."] if count > 1 else []

    def pictures(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, progress: Progress = silent
    ) -> np.ndarray:
        """A picture for each seed, float32 [n, size, size] in HU (or shares of brightness).

        Args:
            seeds: of the noise.
            labels: number of the class of each.
            progress: called after each batch.
        """
        kinds = torch.tensor(list(labels) if labels is not None else [0] * len(seeds), device=self.device)
        network = self.network.eval()
        made = []
        with torch.no_grad():
            for start in range(0, len(seeds), _AT_A_TIME):
                noise = network.noise(list(seeds[start : start + _AT_A_TIME])).to(self.device)
                picture = network.unscaled(network(noise, kinds[start : start + _AT_A_TIME]))
                made.append(picture[:, 0].float().cpu())
                done = min(start + _AT_A_TIME, len(seeds))
                progress(done / len(seeds), f"Picture {done} of {len(seeds)}")
        return torch.cat(made).numpy()

    def stack(self, pictures: np.ndarray) -> Volume:
        """Pictures [n, rows, columns] as a volume with their spacing: CT slices as int16 HU along S, A and R.

        They are of no one patient: what lies above each other does not belong together. Radiographs, whose rows go
        down, are float32 on coronal planes.
        """
        between = self.network.spacing.tolist()
        pixel, distance = between
        matrix = np.eye(4)
        size = (np.array(pictures.shape[::-1]) - 1) / 2
        if self.kind == CT:
            array = pictures.clip(HU_MIN, None).round().astype(np.int16)
            matrix[:3, :3] = np.diag([pixel, pixel, distance])
        else:
            # Columns to the patient's left, rows to the feet, one picture behind the other.
            array = pictures.astype(np.float32)
            matrix[:3, :3] = np.array([[-pixel, 0, 0], [0, 0, -distance], [0, -pixel, 0]], float)
        matrix[:3, 3] = -matrix[:3, :3] @ size
        return Volume(array, Grid(array.shape, matrix))

    def _labels(self, count: int, class_name: str) -> list[int]:
        if not class_name:
            return [number % max(self.network.classes, 1) for number in range(count)]
        if class_name not in self.class_names:
            known = f"Choose one of {', '.join(self.class_names)}." if self.class_names else "Leave it out."
            raise UserError(f"This model knows no class {class_name}.", known)
        return [self.class_names.index(class_name)] * count


def _numbered(network: SliceGenerator) -> list[str]:
    return [str(number) for number in range(network.classes)]
