"""A trained biplanar generator as a bundle: its metadata, its card, its license."""

from pathlib import Path

from ..datasets.cases import Case
from ..errors import UserError
from ..evaluation.scores import summarize, table
from ..models.bundle import Model, save_bundle
from ..models.metadata import LICENSE_TEXT, bundle_metadata, listed, network_definition
from ..models.store import find_model
from .dual_path import DualPathGenerator
from .network import BiplanarGenerator
from .recipe import BiplanarSettings

_VARIED = {
    "deform": "place, size and shape",
    "blend": "shape toward other patients",
    "recolor": "HU of lung, soft tissue and bone",
    "implant": "tubes and nodules",
    "vary_geometry": "views, angles and distances",
    "restyle": "radiography system",
}
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
    metadata = bundle_metadata(
        "Chest CT from two radiographs",
        "CT of the chest from a frontal and a lateral radiograph",
        f"{settings.generator.capitalize()} generator: 128³ voxels of 2.5 mm around the isocenter. Not for diagnosis.",
        {
            "inputs": {"radiographs": {"type": "image", "num_channels": 2, "spatial_shape": [256, 256]}},
            "outputs": {"ct": {"type": "image", "num_channels": 1, "spatial_shape": [128, 128, 128]}},
        },
        trained_on,
        hours,
        device,
        {
            "task": "biplanar",
            "settings": vars(settings),
            "stages": [*_earlier(settings.start_from), _stage(vars(settings), hours, device)],
            "scores": summary,
        },
    )
    card = _card(metadata, trained_on, summary)
    return save_bundle(folder, network, network_definition(network), metadata, card, LICENSE_TEXT)


def _earlier(start_from: str) -> list[str]:
    """The stages of training behind the model that this one went on from."""
    if not start_from:
        return []
    try:
        return list(find_model(start_from).metadata["ctgan"]["stages"])
    except (UserError, KeyError):  # deleted since, or from before stages were noted
        return [f"on from {start_from}"]


def _stage(settings: dict, hours: float, device: str) -> str:
    """One training in words."""
    half, judged = settings["full_from"], 1 - settings["adversarial_from"]
    resolution = "at 128³" if half == 0 else "at 64³" if half == 1 else f"the first {half:.0%} at 64³, the rest at 128³"
    against = f", the last {judged:.0%} against the discriminator" if settings["adversarial_weight"] and judged else ""
    size = f"{settings['steps']} steps of {settings['batch_size']} patients"
    return f"{size}, {resolution}{against}: {hours:.2f} hours on {device}"


def _card(metadata: dict, trained_on: list[Case], summary: list[dict]) -> str:
    run = metadata["ctgan"]
    settings = run["settings"]
    data = listed(trained_on)
    scores = table(summary) if summary else "No test case was given."
    stages = "\n".join(f"- {stage}" for stage in run["stages"])
    varied = ", ".join(words for switch, words in _VARIED.items() if settings[switch])
    return f"""# {metadata["name"]}

{metadata["description"]}

**Not for diagnosis.** A CT from two radiographs is a guess among the many that fit them: outlines, heart and diaphragm
follow the radiographs, small structures are made up from the training patients.

## Training

{stages}

Radiographs were projected on the fly from CTs; varied: {varied or "nothing"}. {len(trained_on)} patients:

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

