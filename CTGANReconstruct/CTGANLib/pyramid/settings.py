"""What the training of a pyramid can be told."""

from dataclasses import dataclass

from ..errors import UserError
from ..training.settings import TrainingSettings
from .adversaries import ADVERSARIES
from .scales import Shape, scale_shapes

LOSSES = ("adversarial", "reconstruction", "projection", "segmentation")


@dataclass(frozen=True)
class PyramidSettings(TrainingSettings):
    """The settings of a run. A loss whose weight is 0 is switched off.

    Attributes:
        dimensions: 3, or 2 for slices as channels.
        size, slices: voxels of the finest scale along each side in plane, and along the patient.
        coarsest: voxels of the coarsest scale in plane.
        factor: between neighboring scales.
        adversary: ``lsgan``, ``wgan-gp`` or ``zero-gp``.
        adversarial_weight, reconstruction_weight, projection_weight, segmentation_weight: of these losses. In 2D, where
            the error that is left is smaller, the reconstruction needs the others to be lighter: 0.0005 for the first.
        segmenter: the model of the store for the segmentation loss.
        noise: amplitude of a scale's noise, as a multiple of the error that it has to mend.
        deformation: standard deviation of the displacements, mm, that new volumes begin with; with 0 they begin with
            noise.
    """

    steps: int = 2000
    batch_size: int = 1
    learning_rate: float = 2e-3
    validation_share: float = 0.0
    validations: int = 20
    dimensions: int = 3
    size: int = 141
    slices: int = 23
    coarsest: int = 28
    factor: float = 1.5
    adversary: str = "lsgan"
    adversarial_weight: float = 0.5
    reconstruction_weight: float = 100.0
    projection_weight: float = 1.0
    segmentation_weight: float = 0.0
    segmenter: str = "ChestSegmentation"
    noise: float = 0.2
    deformation: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.validation_share:
            raise UserError("A pyramid holds nobody out.", "Set the validation share to 0.")
        self.check("dimensions", 2, 3)
        self.check("size", 8)
        self.check("slices", 2)
        self.check("coarsest", 8)
        self.check("factor", 1.1, 4)
        self.check("noise", 0)
        self.check("deformation", 0, 100)
        for loss in LOSSES:
            self.check(f"{loss}_weight", 0)
        if not any(getattr(self, f"{loss}_weight") for loss in LOSSES):
            raise UserError("All losses are switched off.", "Give one of them a weight.")
        if self.adversary not in ADVERSARIES:
            raise UserError(f"There is no adversary {self.adversary}.", f"Choose one of {', '.join(ADVERSARIES)}.")
        if len(self.shapes) > self.steps:
            raise UserError(f"{self.steps} steps are too few for {len(self.shapes)} scales.", "Give each scale some.")

    @property
    def shapes(self) -> list[Shape]:
        """Voxels (k, j, i) of each scale, the coarsest first."""
        return scale_shapes(self.slices, self.size, self.coarsest, self.factor, self.dimensions)
