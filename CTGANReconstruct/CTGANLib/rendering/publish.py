"""A trained picture generator as a bundle: its metadata, its card, its license."""

from pathlib import Path

from ..datasets.cases import Case
from ..evaluation.scores import finite, summarize, table, turned
from ..models.bundle import Model, save_bundle
from ..models.metadata import LICENSE, LICENSE_TEXT, bundle_metadata, listed, network_definition
from .network import CastGenerator, OpacityGenerator
from .raycast import CHANNELS
from .recipe import RAYCAST, RenderingSettings
from .render import TASK
from .surfaces import CHANNELS as SURFACES

_SEES = {
    True: "what a ray-caster sees of the volume",
    False: "VTK's opacity and depth passes at half the size, and volumes of other patients",
}


def publish(
    folder: Path,
    network: CastGenerator | OpacityGenerator,
    settings: RenderingSettings,
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
        trained_on: the volumes whose pictures it has learned from.
        scores: rows of ``evaluate`` on other volumes; may be empty.
        hours: of training.
        device: it was trained on.
    """
    summary = summarize(scores)
    sees, low = settings.source == RAYCAST, settings.size // network.FACTOR
    channels = len(CHANNELS if sees else SURFACES)
    metadata = bundle_metadata(
        name="Pictures of CTs by a network",
        task="A picture of a CT from a viewpoint and transfer functions",
        description=f"A conditional GAN that sees {_SEES[sees]}. Not for diagnosis.",
        formats={
            "inputs": {"passes": {"type": "image", "num_channels": channels, "spatial_shape": [low, low]}},
            "outputs": {"rgba": {"type": "image", "num_channels": 4, "spatial_shape": [settings.size] * 2}},
        },
        trained_on=trained_on,
        hours=hours,
        device=device,
        ours={
            "task": TASK,
            "settings": vars(settings),
            "scores": finite(summary),
        },
    )
    card = _card(metadata, trained_on, summary)
    return save_bundle(folder, network, network_definition(network), metadata, card, LICENSE_TEXT)


def _card(metadata: dict, trained_on: list[Case], summary: list[dict]) -> str:
    run = metadata["ctgan"]
    settings = run["settings"]
    data = listed(trained_on)
    scores = table(turned(summary)) if summary else "No test volume was given."
    return f"""# {metadata["name"]}

{metadata["description"]}

Its pictures look like those of VTK's ray-casting on the CPU, and are not these: fine
structures may be missing or made up.

## Training

{settings["steps"]} steps of {settings["batch_size"]} pictures of {settings["size"]} pixels, {run["hours"]} hours on
{run["device"]}. Viewpoints and transfer functions were random: three in five Gaussian modes, the others
Slicer's presets, varied.
{len(trained_on)} volumes:

{data}

## Scores

On pictures of other volumes with other transfer functions, against those of VTK's ray-casting on the CPU with ten
samples a voxel (Slicer's quality *Maximum*). Mean ± half the 95 % interval over pictures.

{scores}

RMSE and relative L2 on RGB within 0 and 1, SSIM of gray values, EMD between 8×12×12 CIELAB histograms.

## License

{LICENSE}. Attribution: the collections above.
"""
