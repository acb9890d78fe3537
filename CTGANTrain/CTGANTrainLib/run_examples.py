"""What the network makes of a held-out patient, as a volume that changes as it learns, with the true CT under it."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from CTGANLib.training.runs import Run
from CTGANReconstructLib.nodes import readVolume
from CTGANReconstructLib.scene import addCT

from .run_nodes import findRunNode, markRunNode

_CLASS = "vtkMRMLScalarVolumeNode"
_FILE = "CTGAN.ExampleFile"


class RunExamples:
    """Brings the newest example of a run into the scene."""

    def update(self, run: Run) -> str:
        """Read what is new; return what is shown, or nothing."""
        predictions = run.predictions()
        if not predictions:
            return ""
        truth = self._bring(run, run.truth, "truth", _("true CT"))
        example = self._bring(run, predictions[-1], "example", _("example"))
        if example is None:
            return ""
        isNew, node = example
        if isNew:
            slicer.util.setSliceViewerLayers(
                background=node, foreground=truth and truth[1], foregroundOpacity=0.0, fit=True
            )
        return _("Example in the views: {file}. The slider of the slice view blends in the true CT.").format(
            file=predictions[-1].stem.replace("_", " ")
        )

    def _bring(self, run: Run, path: Path, part: str, title: str) -> tuple[bool, slicer.vtkMRMLScalarVolumeNode] | None:
        """Whether the node is new, and the node, with what the file holds; None where it cannot be read."""
        node = findRunNode(run, _CLASS, part)
        try:
            stamp = f"{path.name} {path.stat().st_mtime_ns}"
            if node is not None and node.GetAttribute(_FILE) == stamp:
                return False, node
            loaded = readVolume(path)
        except (OSError, RuntimeError):  # it is just being replaced by the next one
            return None
        isNew = node is None
        node = addCT(loaded, node, f"{run.name}: {title}")
        node.SetAttribute(_FILE, stamp)
        markRunNode(run, node, part)
        return isNew, node
