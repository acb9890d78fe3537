"""A trained slice generator as a bundle: its metadata, its card, its license."""

from pathlib import Path

from ..datasets.cases import Case
from ..evaluation.features import RandomFeatures
from ..evaluation.scores import table, turned
from ..models.bundle import Model, save_bundle
from ..models.metadata import LICENSE_TEXT, bundle_metadata, listed, network_definition
from .network import SliceGenerator
from .settings import CT, SlicesSettings

_METHODS = {
    "dcgan": "DCGAN (Radford et al., ICLR 2016) with a gradient penalty on real slices",
    "wgan": "WGAN with clipped weights (Arjovsky et al., ICML 2017)",
    "wgan-gp": "WGAN with a gradient penalty (Gulrajani et al., NeurIPS 2017)",
    "fully-connected": "fully connected GAN (Goodfellow et al., NeurIPS 2014)",
}


def publish(
    folder: Path,
    network: SliceGenerator,
    settings: SlicesSettings,
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
    what = "Axial chest CT slices" if settings.kind == CT else "Radiographs"
    shape = [settings.size, settings.size]
    metadata = bundle_metadata(
        f"{what} from noise",
        f"{what} from noise",
        f"{_METHODS[settings.method]}: {settings.size}² pixels. Synthetic; not for diagnosis.",
        {
            "inputs": {"noise": {"type": "latent", "num_channels": settings.latent, "spatial_shape": []}},
            "outputs": {"slice": {"type": "image", "num_channels": 1, "spatial_shape": shape}},
        },
        trained_on,
        hours,
        device,
        {
            "task": "slices",
            "kind": settings.kind,
            "classes": settings.class_names,
            "settings": vars(settings),
            "scores": [{name: value for name, value in row.items() if name != "case"} for row in scores],
        },
    )
    card = _card(metadata, settings, trained_on)
    return save_bundle(folder, network, network_definition(network), metadata, card, LICENSE_TEXT)


def _card(metadata: dict, settings: SlicesSettings, trained_on: list[Case]) -> str:
    run = metadata["ctgan"]
    data = listed(trained_on)
    low, high = settings.window
    pixel, between = settings.spacing
    if settings.kind == CT:
        seen = (
            f"Slices every {between:g} mm of {len(trained_on)} CTs, {settings.trim:.0%} of the lungs' height left out "
            f"at each end; {settings.size}² pixels of {pixel:.4g} mm around the body, air outside; values from {low:g} "
            f"to {high:g} HU, which are what the model can make."
        )
    else:
        seen = f"{len(trained_on)} radiographs of {settings.size}² pixels, values from {low:g} to {high:g}."
    unit, amount = ("hu", "HU") if settings.kind == CT else ("brightness", "share of the brightness")
    classes = f"\nClasses: {', '.join(settings.class_names)}.\n" if settings.class_names else ""
    scores = "No test case was given."
    if run["scores"]:
        scores = table(turned(run["scores"]))
    return f"""# {metadata["name"]}

{metadata["description"]}

**Not for diagnosis.** What it makes shows no patient. Slices of one stack do not belong together.

## Training

{settings.steps} steps of {settings.batch_size} pictures, {run["hours"]} hours on {run["device"]}. {seen}
{classes}
{data}

## Scores

Against the slices of test patients, none of whom trained the model; the training slices against the same test slices
say what can be hoped for. `kid` and `mmd` (± half the 95 % bootstrap interval over patients) and `fid` by the
standardized features of a network that never learned ({RandomFeatures.name}; `evaluation/features.py`): lower is
better; `kid_ratio` to that of the training slices, both with the same draws of test patients. `precision` and
`density`: how many look real; `recall` and `coverage`: how much of the real variety is there (neighborhoods reach to
the fifth nearest slice of other patients). With `organ_` before their names: the same by what the project's segmenter
sees in CT slices (`segmentation/features.py`). `ms_ssim` of pairs: lower is more varied. `{unit}_distance`: {amount} by
which voxels would have to change to be distributed as the real ones. `nearest_{unit}`: median difference from the
nearest training slice (for training slices: of another patient; `held_out_nearest_{unit}`: of the test slices); far
below that of the test slices it would say that slices were learned by heart.

{scores}

## License

{run["license"]}. Attribution: the collections above.
"""
