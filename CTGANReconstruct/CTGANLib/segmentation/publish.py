"""A trained segmenter as a bundle: its metadata, its card, its license."""

from pathlib import Path

from torch import nn

from ..datasets.cases import Case
from ..evaluation.scores import finite, summarize, table, turned
from ..models.bundle import Model, save_bundle
from ..models.metadata import LICENSE, LICENSE_TEXT, bundle_metadata, listed
from .bone import BONE_HU
from .recipe import SegmentationSettings
from .segmenter import TASK
from .tasks import find_task

_TITLES = {"chest": "Organs of the chest in CT", "kidney": "Kidneys and tumors in CT", "nodule": "Lung nodules in CT"}


def publish(
    folder: Path,
    network: nn.Module,
    settings: SegmentationSettings,
    trained_on: list[Case],
    scores: list[dict],
    hours: float,
    device: str,
) -> Model:
    """Write the bundle of a trained segmenter.

    Args:
        folder: the bundle's place.
        network: of ``network.build``.
        settings: of the run.
        trained_on: the training cases.
        scores: rows of ``evaluate`` on the test cases; may be empty.
        hours: of training.
        device: it was trained on.
    """
    task = find_task(settings.task, settings.labels, settings.withhold)
    names = ", ".join(label.name for label in task.offered)
    summary = summarize(scores)
    window = [settings.patch] * 3
    metadata = bundle_metadata(
        name=_TITLES.get(task.name, f"Segmentation of {names}"),
        task=f"Segmentation of CT: {names}",
        description=f"{settings.network}, voxels of {task.spacing:g} mm, windows of {settings.patch}³. "
        "Not for diagnosis.",
        formats={
            "inputs": {"ct": {"type": "image", "num_channels": 1, "spatial_shape": window}},
            "outputs": {"pred": {"type": "image", "num_channels": task.classes, "spatial_shape": window}},
        },
        trained_on=trained_on,
        hours=hours,
        device=device,
        ours={
            "task": TASK,
            "labels": [label.to_dict() for label in task.offered],
            "settings": {**vars(settings), "start_from": Path(settings.start_from).name},
            "scores": finite(summary),
        },
    )
    card = _card(metadata, trained_on, summary)
    return save_bundle(folder, network, network.arguments, metadata, card, LICENSE_TEXT)


_BONES = f"""
Bones end where the CT falls below {BONE_HU} HU, in the answers and in labels made by rules; there their score says how
well they are found, not how right their borders are."""


def _card(metadata: dict, trained_on: list[Case], summary: list[dict]) -> str:
    run = metadata["ctgan"]
    settings = run["settings"]
    data = listed(trained_on)
    labels = "\n".join(f"- {entry['value']}: {entry['name']}" for entry in run["labels"])
    scores = table(turned(summary)) if summary else "No test case was given."
    patches = "patch" if settings["batch_size"] == 1 else "patches"
    task = find_task(settings["task"], settings["labels"], settings["withhold"])
    bones = _BONES if task.dense else ""
    withheld = f"\n\nLearned, but not offered: {settings['withhold']}." if settings["withhold"] else ""
    grown = " Nodules of all densities were put into the lungs, since few patients have any." if task.grown else ""
    origin = f" It went on from the model {settings['start_from']}." if settings["start_from"] else ""
    return f"""# {metadata["name"]}

{metadata["description"]}

**Not for diagnosis.** Labels are those of the training data, some of which were made by rules; small and rare
structures may be missed.

## Labels

{labels}{withheld}

## Training

{settings["steps"]} steps of {settings["batch_size"]} {patches}, {run["hours"]} hours on {run["device"]}.{origin}
Dice and cross entropy over the labels that each voxel may have: what a case has no labels for is not learned as
background. Patches were turned, scaled, recolored, blurred, made noisy and given contrast medium.{grown}
{len(trained_on)} patients:

{data}

## Scores

On test patients, none of whom trained the model, on voxels of the task's spacing. Mean ± half the 95 % interval.
`python -m CTGANLib evaluate --model NAME --data FOLDER` computes the table. Where the labels of a test case were made
by rules, the score says how well the model follows them. "All background" is what labels nothing.{bones}

{scores}

`surface_dice`: share of the surfaces within one voxel of each other; `hd95_mm`: 95th percentile of the distance between
surfaces.

## License

{LICENSE}. Attribution: the collections above.
"""
