"""Pictures of any volume by a trained network, on any device, without VTK's ray-casting of the whole."""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..errors import UserError
from ..models.bundle import Model
from .camera import Camera, View
from .coarse import CoarseVolume
from .colors import BACKGROUND, as_bytes, over
from .conditions import Conditions
from .functions import TransferFunctions
from .network import GENERATORS, CastGenerator, OpacityGenerator
from .raycast import CHANNELS, Tables, cast
from .recipe import OPACITY, RAYCAST

TASK = "rendering"
_LARGEST = 1024


@dataclass(frozen=True)
class Rendering:
    """A picture and how it came about.

    Attributes:
        rgba: color times opacity, and opacity, float32 within 0 and 1, [rows, columns, 4].
        depth: of the ray-caster (see ``raycast.cast``), float32; None where there is none.
        seconds: that ray-casting and network took.
    """

    rgba: np.ndarray
    depth: np.ndarray | None
    seconds: float

    def over(self, background: tuple[float, float, float] = BACKGROUND) -> np.ndarray:
        """The picture before a background, uint8 [rows, columns, 3]."""
        return as_bytes(over(self.rgba, background))


class NeuralRenderer:
    """Makes pictures.

    Attributes:
        source: how the network sees a volume: ``raycast``, by our ray-caster, or ``opacity``, by VTK's opacity and
            depth passes.
    """

    def __init__(self, network: CastGenerator | OpacityGenerator, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._network = network.to(self.device, memory_format=torch.channels_last).eval()
        self.source = RAYCAST if isinstance(network, CastGenerator) else OPACITY

    @classmethod
    def from_model(cls, model: Model, device: str = "cpu") -> "NeuralRenderer":
        """The renderer of a model of the store.

        Raises:
            UserError: the model is for another task, or damaged.
        """
        return cls(model.load(TASK, GENERATORS), device)

    @property
    def factor(self) -> int:
        """How many times larger pictures are than the passes that the network sees."""
        return self._network.FACTOR

    def render(
        self,
        volume: CoarseVolume,
        camera: Camera,
        functions: TransferFunctions,
        size: int = 256,
        seen: torch.Tensor | None = None,
    ) -> Rendering:
        """Make a picture.

        Args:
            volume: on this renderer's device.
            camera: from where.
            functions: transfer functions.
            size: pixels of a side.
            seen: what VTK's passes at half the size tell (``surfaces.surfaces``), where ``source`` is ``opacity``.

        Raises:
            UserError: the size is not a multiple of 16 up to 1024, or the passes are missing.
        """
        check_size(size)
        if self.source == OPACITY and seen is None:
            raise UserError("This model needs VTK's passes.", "Choose a model that sees the volume itself.")
        start, depth = time.perf_counter(), None
        with torch.inference_mode():
            view = View.of(camera, volume.whole)
            if self.source == RAYCAST:
                passes = cast(volume, camera, Tables.of(functions, self.device), size // self.factor)
                depth = passes[CHANNELS.index("depth")].cpu().numpy()
                rgba = self._made(passes, view, functions)
            else:
                rgba = self.from_surfaces(seen, view, functions)
        return Rendering(rgba, depth, time.perf_counter() - start)

    @torch.inference_mode()
    def from_surfaces(self, seen: torch.Tensor, view: View, functions: TransferFunctions) -> np.ndarray:
        """What the network makes of what VTK's passes tell, ``surfaces.surfaces``: see :class:`Rendering`."""
        surfaces = seen.to(self.device)
        passes = self._network.passes(surfaces, self._network.patients(surfaces, view, functions))
        return self._made(passes, view, functions)

    def _made(self, passes: torch.Tensor, view: View, functions: TransferFunctions) -> np.ndarray:
        conditions = Conditions.of([view], [functions]).to(self.device)
        picture = self._network(passes[None], conditions)[0].clamp(0, 1)
        return picture.permute(1, 2, 0).cpu().numpy()

    def latent(self, functions: list[TransferFunctions]) -> np.ndarray:
        """What the network knows of transfer functions, [n, 64]."""
        conditions = Conditions.of([View()] * len(functions), functions).to(self.device)
        with torch.inference_mode():
            return self._network.encoder.latent(conditions).cpu().numpy()

    @cached_property
    def network(self) -> CastGenerator | OpacityGenerator:
        """For gradients."""
        return self._network


def check_size(size: int) -> None:
    """Check that a picture can have this size.

    Raises:
        UserError: it cannot.
    """
    if not 16 <= size <= _LARGEST or size % 16:
        raise UserError(f"A picture cannot have {size} x {size} pixels.", f"Choose a multiple of 16 up to {_LARGEST}.")
