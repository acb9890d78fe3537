"""The settings of a slice GAN."""

from dataclasses import dataclass

from ..errors import UserError
from ..training.settings import TrainingSettings
from .network import LARGEST_CONNECTED, SIZES

METHODS = ("dcgan", "wgan", "wgan-gp", "fully-connected")
CT, RADIOGRAPHS = "ct", "radiographs"
KINDS = (CT, RADIOGRAPHS)
BRIGHTNESS = (0.0, 1.0)
"""The window of radiographs: shares of their brightness."""


@dataclass(frozen=True)
class SlicesSettings(TrainingSettings):
    """The settings of a run.

    Attributes:
        method: ``dcgan``, ``wgan`` (clipped weights), ``wgan-gp`` (gradient penalty) or ``fully-connected``.
        kind: ``ct``, axial slices of CTs; or ``radiographs``, pictures of a folder.
        size: pixels along a side: 64, 128, 256 or 512.
        field: side of the picture, mm, around the middle of the body. (Radiographs are shown whole, and this is only
            what their pixels are said to measure.)
        window_low, window_high: HU that are kept apart; of CTs.
        slice_spacing: between the slices that are taken from a CT, mm.
        trim: share of the height of the lungs that is left out at each end of a CT.
        classes: what the generator can be asked for; empty for none. Of CTs the ending of the names of label maps
            beside them, such as ``nodules``: it learns slices with and without. Of radiographs the names of the folders
            that they lie in, such as ``NORMAL,PNEUMONIA``.
        width: channels of both networks at the full size.
        latent: numbers of noise.
        soft_labels: whether real is 0.85 to 1 and made is 0 to 0.15 for the discriminator, instead of 1 and 0.
        balance: the discriminator waits while its loss is lower; 0.69 is guessing. (Of the methods with one.)
        augment: whether pictures are changed at random before they are judged, real and made ones alike.
    """

    steps: int = 6000
    batch_size: int = 32
    learning_rate: float = 2e-4
    validations: int = 20
    patience: int = 20
    method: str = "dcgan"
    kind: str = CT
    size: int = 64
    field: float = 360.0
    window_low: float = -1000.0
    window_high: float = 400.0
    slice_spacing: float = 2.5
    trim: float = 0.1
    classes: str = ""
    width: int = 32
    latent: int = 128
    soft_labels: bool = True
    balance: float = 0.4
    augment: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in (("method", METHODS), ("kind", KINDS), ("size", SIZES)):
            if getattr(self, name) not in choices:
                known = ", ".join(map(str, choices))
                raise UserError(f"The setting {name} cannot be {getattr(self, name)}.", f"Choose one of {known}.")
        if self.method == "fully-connected" and self.size > LARGEST_CONNECTED:
            advice = f"Choose at most {LARGEST_CONNECTED}, or another method."
            raise UserError(f"The setting size cannot be {self.size} for a fully connected GAN.", advice)
        self.check("batch_size", 2)  # batch normalization needs more than one picture
        self.check("field", 50, 1000)
        self.check("window_low", -2000, 2000)
        self.check("window_high", self.window_low + 10, 4000)
        self.check("slice_spacing", 0.5, 100)
        self.check("trim", 0, 0.45)
        self.check("width", 1, 512)
        self.check("latent", 1, 4096)
        self.check("balance", 0, 0.69)
        count = len(self._names)
        if self._names and (count != 1 if self.kind == CT else not 2 <= count <= 100):
            advice = "Give one ending of label maps." if self.kind == CT else "Give two folders or more, with commas."
            raise UserError(f"The setting classes cannot be {self.classes!r}.", advice)

    @property
    def _names(self) -> list[str]:
        return [name for part in self.classes.split(",") if (name := part.strip())]

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of their numbers; empty for none."""
        names = self._names
        return [f"without {names[0]}", f"with {names[0]}"] if names and self.kind == CT else names

    @property
    def window(self) -> tuple[float, float]:
        """Values that are −1 and 1 for the networks: HU, or shares of the brightness of a radiograph."""
        return (self.window_low, self.window_high) if self.kind == CT else BRIGHTNESS

    @property
    def spacing(self) -> tuple[float, float]:
        """Of pixels and of slices, mm."""
        return self.field / self.size, self.slice_spacing
