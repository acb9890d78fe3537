"""A trained biplanar generator as a bundle: its metadata, its card, its license."""

from pathlib import Path

import monai
import numpy as np
import torch

from .. import __version__
from ..datasets.cases import Case
from ..evaluation.scores import summarize, table
from ..models.bundle import Model, save_bundle
from .dual_path import DualPathGenerator
from .network import BiplanarGenerator
from .recipe import BiplanarSettings

_LICENSE = "CC-BY-4.0"
_LICENSE_TEXT = """These weights are licensed under the Creative Commons Attribution 4.0 International License
(https://creativecommons.org/licenses/by/4.0/). They were learned from the CTs that docs/README.md names, each under
the license given there; attribution to those collections travels with the weights.
"""
_COLUMNS = ("method", "n", "psnr_x2ct", "psnr_true", "ssim_x2ct", "ssim", "mae_hu", "lung_dice", "bone_dice", "nrmse")


def publish(
    folder: Path,
    network: BiplanarGenerator | DualPathGenerator,
    settings: BiplanarSettings,
    trained_on: list[Case],
    scores: list[dict],
    hours: float,
    device: str,
) -> Model:
    """Write the bundle of a trained generator.

    Args:
        folder: the bundle's place.
        network: the generator.
        settings: of the run.
        trained_on: the training cases.
        scores: rows of ``evaluate`` on the test cases; may be empty.
        hours: of training.
        device: it was trained on.
    """
    summary = [{name: row[name] for name in row if name.removesuffix("_ci95") in _COLUMNS} for row in summarize(scores)]
    metadata = {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": __version__,
        "changelog": {__version__: "trained"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {},
        "name": "Chest CT from two radiographs",
        "task": "CT of the chest from a frontal and a lateral radiograph",
        "description": f"{settings.generator.capitalize()} generator: 128³ voxels of 2.5 mm around the isocenter. "
        "Not for diagnosis.",
        "authors": "CTGAN for 3D Slicer",
        "copyright": f"{_LICENSE}",
        "data_source": "; ".join(sorted({case.source for case in trained_on})),
        "intended_use": "Research. Not for diagnosis.",
        "network_data_format": {
            "inputs": {"radiographs": {"type": "image", "num_channels": 2, "spatial_shape": [256, 256]}},
            "outputs": {"ct": {"type": "image", "num_channels": 1, "spatial_shape": [128, 128, 128]}},
        },
        "ctgan": {
            "task": "biplanar",
            "license": _LICENSE,
            "trained_on": [case.name for case in trained_on],
            "settings": vars(settings),
            "hours": round(hours, 2),
            "device": device,
            "scores": summary,
        },
    }
    definition = {"_target_": f"{type(network).__module__}.{type(network).__name__}", **network.arguments}
    return save_bundle(folder, network, definition, metadata, _card(metadata, trained_on, summary), _LICENSE_TEXT)


def _card(metadata: dict, trained_on: list[Case], summary: list[dict]) -> str:
    run = metadata["ctgan"]
    settings = run["settings"]
    data = "\n".join(f"- `{case.name}`: {case.source or 'no license given'}" for case in trained_on)
    scores = table(summary) if summary else "No test case was given."
    return f"""# {metadata["name"]}

{metadata["description"]}

**Not for diagnosis.** A CT from two radiographs is a guess among the many that fit them: outlines, heart and diaphragm
follow the radiographs, small structures are made up from the training patients.

## Training

{settings["steps"]} steps of {settings["batch_size"]} patients, {run["hours"]} hours on {run["device"]};
{settings["full_from"]:.0%} of the steps at 64³, the rest at 128³, the last
{1 - settings["adversarial_from"]:.0%} with the discriminator. Radiographs were projected on the fly
from deformed CTs. {len(trained_on)} patients:

{data}

## Scores

On test patients, none of whom trained the model; radiographs projected from their CTs at 1800 mm. Mean ± half the
95 % interval. `python -m CTGANLib evaluate --data FOLDER` computes the table. The mean volume and the nearest training
volume are what one knows without a model.

{scores}

PSNR in dB (`psnr_x2ct`: peak 4095, as the literature; `psnr_true`: peak 2500), MAE in HU inside the body, Dice of our
own thresholds in both volumes, `nrmse` of the re-projections.

## License

{run["license"]}. Attribution: the collections above.
"""
