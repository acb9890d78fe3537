"""Volumes of other patients that a network knows, for pictures of a volume of which it only gets an opacity pass.

An opacity pass does not tell the colors of what it shows. How patients like this one look from the same viewpoint under
the same functions does, once they are brought to the pass. TFGAN's first stage (Berger et al.) knows one volume in its
weights; here it is several, as they are.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..imaging.geometry import Grid
from .camera import View
from .coarse import CoarseVolume
from .functions import SAMPLES_HU, TransferFunctions
from .raycast import CHANNELS, Tables, cast

_SIDE = 80  # voxels along each side
_SHARES = (4, 2, 1)  # of the pass's size at which volumes are brought to it, coarse to fine
_TURNS, _DAMPING = 4, 0.02
_MOST = 0.6  # of the picture, that an edge moves by


class Atlas(nn.Module):
    """Volumes of several patients, as a network's buffers.

    Args:
        count: of patients.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        # Each voxel by the nearest of SAMPLES_HU, on a grid of the same size for all.
        self.register_buffer("levels", torch.zeros(count, _SIDE, _SIDE, _SIDE, dtype=torch.uint8))
        self.register_buffer("places", torch.eye(4, dtype=torch.float64).repeat(count, 1, 1))
        self.register_buffer("wholes", torch.eye(4, dtype=torch.float64).repeat(count, 1, 1))
        self.register_buffer("shapes", torch.full((count, 3), _SIDE))
        self._volumes: list[CoarseVolume] = []

    def fill(self, volumes: list[CoarseVolume]) -> None:
        """Take the volumes of as many patients."""
        middles = torch.from_numpy((SAMPLES_HU[1:] + SAMPLES_HU[:-1]) / 2)
        for index, volume in enumerate(volumes):
            hu = torch.from_numpy(volume.hu.astype(np.float64))[None, None]
            small = F.interpolate(hu, size=(_SIDE,) * 3, mode="trilinear", align_corners=True)[0, 0]
            matrix = volume.grid.ijk_to_ras.copy()
            matrix[:3, :3] *= (np.array(volume.grid.shape[::-1]) - 1) / (_SIDE - 1)
            self.levels[index] = torch.searchsorted(middles, small).to(torch.uint8)
            self.places[index], self.wholes[index] = map(torch.from_numpy, (matrix, volume.whole.ijk_to_ras))
            self.shapes[index] = torch.tensor(volume.whole.shape)
        self._volumes = []

    def seen(self, opacity: torch.Tensor, view: View, functions: TransferFunctions) -> torch.Tensor:
        """What each patient looks like, brought to an opacity pass.

        Args:
            opacity: the pass, within 0 and 1, [n, n].
            view: its viewpoint.
            functions: its transfer functions.

        Returns:
            float32 [patients, 5, n, n], see ``raycast.CHANNELS``.
        """
        tables = Tables.of(functions, self.levels.device)
        with torch.inference_mode():
            pictures = [cast(each, view.camera(each.whole), tables, len(opacity)) for each in self._patients()]
            return brought(torch.stack(pictures), opacity)

    def _patients(self) -> list[CoarseVolume]:
        if not self._volumes:
            for levels, place, whole, shape in zip(self.levels, self.places, self.wholes, self.shapes, strict=True):
                hu = np.rint(SAMPLES_HU[levels.cpu().numpy()]).astype(np.int16)
                grid = Grid(tuple(levels.shape), place.cpu().numpy())
                around = Grid(tuple(shape.tolist()), whole.cpu().numpy())
                self._volumes.append(CoarseVolume(hu, grid, around, self.levels.device))
        return self._volumes

    def _load_from_state_dict(self, *arguments) -> None:
        super()._load_from_state_dict(*arguments)
        self._volumes = []


def brought(pictures: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
    """Pictures, each moved, turned, scaled and sheared so that its opacity is next to a given one.

    By Gauss and Newton's method on the squared difference, coarse to fine (Lucas and Kanade, IJCAI 1981).

    Args:
        pictures: [n, 5, size, size], see ``raycast.CHANNELS``.
        opacity: [size, size].
    """
    same = torch.eye(2, 3, device=pictures.device).repeat(len(pictures), 1, 1)
    change = torch.zeros_like(same)
    layer = CHANNELS.index("opacity")
    for share in _SHARES:
        moving = F.avg_pool2d(pictures[:, layer : layer + 1], share)
        fixed = F.avg_pool2d(opacity[None, None], share)
        for _ in range(_TURNS):
            change = (change + _step(moving, fixed, same + change)).clamp(-_MOST, _MOST)
    return _moved(pictures, same + change)


def _step(moving: torch.Tensor, fixed: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """How matrices [n, 2, 3] are to change so that moving pictures [n, 1, size, size] come nearer to a fixed one."""
    moved, size = _moved(moving, matrix), moving.shape[-1]
    down, across = torch.gradient(moved, spacing=2 / size, dim=(2, 3))
    edge = (torch.arange(size, device=moving.device) + 0.5) / size * 2 - 1
    basis = torch.stack([edge.expand(size, size), edge[:, None].expand(size, size), torch.ones(size, size).to(edge)])
    slopes = torch.cat([across * basis, down * basis], 1).flatten(2)
    error = (fixed - moved).flatten(1)[..., None]
    normal = slopes @ slopes.mT / size**2
    damped = normal + _DAMPING * torch.eye(6, device=moving.device)
    return torch.linalg.solve(damped, slopes @ error / size**2).reshape(-1, 2, 3)


def _moved(pictures: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    places = F.affine_grid(matrix, pictures.shape, align_corners=False)
    return F.grid_sample(pictures, places, align_corners=False)
