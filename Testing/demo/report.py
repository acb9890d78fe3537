"""The picture of the demo: inputs, re-projections, three planes beside the true CT, and the scores."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np

from CTGANLib.biplanar.evaluate import Truth
from CTGANLib.biplanar.radiographs import on_standard_detector
from CTGANLib.biplanar.reconstruct import Reconstructor, reproject
from CTGANLib.evaluation.scores import table
from CTGANLib.imaging.geometry import View
from CTGANLib.imaging.radiographs import Radiograph, read_radiograph
from CTGANLib.imaging.volumes import Volume, read_volume
from CTGANLib.models.store import first_model

matplotlib.use("Agg")
from matplotlib import pyplot

_WINDOW = {"cmap": "gray", "vmin": -1000, "vmax": 500}


def write_report(path: Path, reconstruction: Path, sample: Path) -> str:
    """Draw the report and return the table of scores.

    Args:
        path: of the picture.
        reconstruction: the CT that was made from the sample's radiographs.
        sample: the folder with ``chest_pa.dcm``, ``chest_lateral.dcm`` and ``chest_ct.nrrd``.
    """
    volume, field = read_volume(reconstruction), read_volume(sample / "chest_ct.nrrd")
    views = (("pa", View.PA), ("lateral", View.LLAT))
    inputs = tuple(on_standard_detector(read_radiograph(sample / f"chest_{name}.dcm", view)) for name, view in views)
    mean = np.round(Reconstructor.from_model(first_model("biplanar")).mean_hu)
    truth = Truth(field, inputs)
    rows = [{"method": name, **truth.score(hu)} for name, hu in (("ours", volume.array), ("mean volume", mean))]
    scores = table([{name: row[name] for name in row if name != "ssim_x2ct"} for row in rows])

    figure, axes = pyplot.subplots(4, 3, figsize=(11, 15), facecolor="white")
    for row, radiograph, again in zip(axes, inputs, reproject(volume, inputs), strict=False):
        _draw_view(row, radiograph, again)
    for row, shown, title in ((axes[2], volume, "reconstruction"), (axes[3], truth.volume, "true CT")):
        for axis, (name, plane) in zip(row, _planes(shown).items(), strict=True):
            axis.imshow(plane, **_WINDOW)
            axis.set_title(f"{name}: {title}")
    for axis in axes.flat:
        axis.axis("off")
    figure.suptitle("CT from two radiographs (LIDC-IDRI-0001, not seen in training). Not for diagnosis.")
    figure.text(0.5, 0.01, scores, ha="center", va="bottom", family="monospace", fontsize=8)
    figure.tight_layout(rect=(0, 0.06, 1, 0.99))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return scores


def _draw_view(row, radiograph: Radiograph, again: Radiograph) -> None:
    """Input, re-projection with gain and offset fitted, and their difference."""
    gain, offset = np.polyfit(again.array.ravel(), radiograph.array.ravel(), 1)
    fitted = replace(again, array=gain * again.array + offset)
    low, high = np.percentile(radiograph.array, [0.5, 99.5])
    name = radiograph.acquisition.view.value
    for axis, picture, title in ((row[0], radiograph, "input"), (row[1], fitted, "re-projection")):
        axis.imshow(picture.array, cmap="gray", vmin=low, vmax=high)
        axis.set_title(f"{name}: {title}")
    limit = (high - low) / 4
    row[2].imshow(fitted.array - radiograph.array, cmap="RdBu_r", vmin=-limit, vmax=limit)
    row[2].set_title(f"{name}: difference (± a quarter of the range)")


def _planes(volume: Volume) -> dict[str, np.ndarray]:
    """The middle slices as readers see them: patient's left on the right, front to the left in the sagittal one."""
    hu = volume.array
    k, j, i = (size // 2 for size in hu.shape)
    return {"axial": hu[k, ::-1, ::-1], "coronal": hu[::-1, j, ::-1], "sagittal": hu[::-1, ::-1, i]}
