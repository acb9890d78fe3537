"""Changes that real and made pictures get alike before they are judged, so that few patients are not learned by heart.

S. Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020. The gradient passes
through, and as made pictures are changed too, the generator does not learn the changes.
"""

import torch

from ..training.augmentation import uniform

_SHIFT, _HOLE = 0.125, 0.5


def augment(pictures: torch.Tensor) -> torch.Tensor:
    """Random brightness and contrast, shift by up to an eighth and a hole of half the side, in [n, 1, rows, columns].

    No mirror image: the heart stays on its side.
    """
    return _with_hole(_shifted(_recolored(pictures)))


def _recolored(pictures: torch.Tensor) -> torch.Tensor:
    device, count = pictures.device, len(pictures)
    brighter = pictures + uniform(-0.25, 0.25, count, 1, 1, 1, device=device)
    mean = brighter.mean((2, 3), keepdim=True)
    return mean + (brighter - mean) * uniform(0.75, 1.25, count, 1, 1, 1, device=device)


def _shifted(pictures: torch.Tensor) -> torch.Tensor:
    """Each by whole pixels; its own darkest value comes in at the border."""
    for axis in (2, 3):
        size = pictures.shape[axis]
        most = int(size * _SHIFT)
        by = torch.randint(-most, most + 1, (len(pictures), 1), device=pictures.device)
        place = torch.arange(size, device=pictures.device) + by
        shape = [len(pictures), 1, 1, 1]
        shape[axis] = size
        index = place.clip(0, size - 1).view(shape).expand_as(pictures)
        inside = ((place >= 0) & (place < size)).view(shape)
        pictures = torch.where(inside, pictures.gather(axis, index), pictures.amin((2, 3), keepdim=True))
    return pictures


def _with_hole(pictures: torch.Tensor) -> torch.Tensor:
    """A square at a random place, which may reach over the border, becomes gray."""
    inside = []
    for axis in (2, 3):
        size = pictures.shape[axis]
        center = torch.randint(0, size + 1, (len(pictures), 1), device=pictures.device)
        near = (torch.arange(size, device=pictures.device) - center).abs() < size * _HOLE / 2
        shape = [len(pictures), 1, 1, 1]
        shape[axis] = size
        inside.append(near.view(shape))
    return pictures * ~(inside[0] & inside[1])
