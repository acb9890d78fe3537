"""A trained pyramid as a bundle: its metadata, its card, its license."""

from pathlib import Path

from ..datasets.cases import Case
from ..evaluation.scores import summarize, table, turned
from ..models.bundle import Model, save_bundle
from ..models.metadata import LICENSE_TEXT, bundle_metadata, listed, network_definition
from .network import PyramidGenerator
from .settings import LOSSES, PyramidSettings
from .warping import STRETCH


def publish(
    folder: Path,
    network: PyramidGenerator,
    settings: PyramidSettings,
    trained_on: list[Case],
    scores: list[dict],
    hours: float,
    device: str,
) -> Model:
    """Write the bundle of a trained pyramid; see ``training.kit.Kit``."""
    summary = summarize(scores)
    shape = list(network.shapes[-1])
    size = " x ".join(map(str, reversed(shape)))
    spacing = " x ".join(f"{value:.3g}" for value in network.spacing)
    metadata = bundle_metadata(
        name=f"Chest CT from noise, {network.dimensions}D pyramid",
        task="CT volumes from noise, in the likeness of few",
        description=f"Pyramid of {len(network.shapes)} generators, up to {size} voxels of {spacing} mm, learned from "
        f"{_volumes(len(network.fixed_noise))}. Not for diagnosis.",
        formats={
            "inputs": {"noise": {"type": "image", "num_channels": 1, "spatial_shape": list(network.shapes[0])}},
            "outputs": {"ct": {"type": "image", "num_channels": 1, "spatial_shape": shape}},
        },
        trained_on=trained_on,
        hours=hours,
        device=device,
        ours={
            "task": "pyramid",
            "settings": vars(settings),
            "scores": summary,
        },
    )
    card = _card(metadata, trained_on, summary)
    return save_bundle(folder, network, network_definition(network), metadata, card, LICENSE_TEXT)


def _card(metadata: dict, trained_on: list[Case], summary: list[dict]) -> str:
    run = metadata["ctgan"]
    settings = run["settings"]
    data = listed(trained_on)
    losses = ", ".join(f"{name} {settings[f'{name}_weight']:g}" for name in LOSSES)
    return f"""# {metadata["name"]}

{metadata["description"]}

**Not for diagnosis.** Its volumes show no patient. They are put together from the likeness of the volumes named below:
they are varied, but know no other anatomy and no disease but theirs.

## Training

A new volume begins, at the coarsest scale, with {_beginning(settings["deformation"])};
every finer scale adds to it what it makes of the coarser result and noise. {settings["steps"]} steps, shared by the
scales, {run["hours"]} hours on {run["device"]}; adversary
{settings["adversary"]}; weights of the losses: {losses}. {_volumes(len(trained_on)).capitalize()}:

{data}

## Scores

{table(turned(summary)) if summary else "None."}

`mse`, `psnr` (10 log10(1/MSE)) and `ssim` are those of the reconstruction of the training volumes, HU [−1000, 1000] as
[0, 1]; beside it, the same of the next coarser scale, enlarged. The others are those of samples, and of patients held
out where there are any. `ms_ssim` is that of pairs (1: all alike),
`histogram_hu` the distance of the HU to the training volumes', `kid` (of axial slices) and `fid_planes`
(2.5D-FID) that of features of a random network (`evaluation/features.py`), `organ_kid` that of what the project's
segmenter sees in axial slices (`segmentation/features.py`). `patch_hu` and `patch_least_hu` are median
and least RMS difference in HU of patches (4 x 12 x 12 voxels, those with structure in the body) to the nearest training
patch; `own_patch_hu` and `own_patch_least_hu` the same between training patches that do not overlap. A least difference
far below the training patches' own would tell of copies.

## License

{run["license"]}. Attribution: the collections above.
"""


def _volumes(count: int) -> str:
    return "1 volume" if count == 1 else f"{count} volumes"


def _beginning(deformation: int) -> str:
    if not deformation:
        return "noise"
    change = f"displaced smoothly at random ({deformation} mm) and stretched (up to {STRETCH:.0%})"
    return f"one that was learned from, {change}"
