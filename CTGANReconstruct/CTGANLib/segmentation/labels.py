"""What the values of a label map mean, with the names, codes and colors that Slicer knows."""

import colorsys
from dataclasses import asdict, dataclass, field

import numpy as np

Code = tuple[str, str, str]

_TISSUE: Code = ("SCT", "85756007", "Tissue")
_STRUCTURE: Code = ("SCT", "123037004", "Anatomical Structure")
_ALTERED: Code = ("SCT", "49755003", "Morphologically Altered Structure")
_LUNG: Code = ("SCT", "39607008", "Lung")


@dataclass(frozen=True)
class Label:
    """One structure.

    Attributes:
        value: in the label map.
        name: for people.
        category, type, modifier: coding scheme, code and meaning, as in Slicer's terminology "3D Slicer General
            Anatomy list".
        color: red, green, blue within 0 and 1, that terminology's own.
        also: the values of further structures that it consists of.
    """

    value: int
    name: str
    category: Code
    type: Code
    color: tuple[float, float, float]
    modifier: Code = ("", "", "")
    also: tuple[int, ...] = field(default=())

    @property
    def terminology_entry(self) -> str:
        """The segment tag ``TerminologyEntry`` of Slicer."""
        codes = "~".join("^".join(code) for code in (self.category, self.type, self.modifier))
        return (
            f"Segmentation category and type - 3D Slicer General Anatomy list~{codes}"
            "~Anatomic codes - DICOM master list~^^~^^"
        )

    def within(self, array: np.ndarray) -> np.ndarray:
        """Where it is in a label map, as booleans of the same shape; the body is everything inside the skin."""
        if self == BODY:
            return array > 0
        return np.isin(array, (self.value, *self.also)) if self.also else array == self.value

    def to_dict(self) -> dict:
        """Plain data for a model's metadata, with Slicer's tag; :meth:`from_dict` is the way back."""
        return {**asdict(self), "terminology": self.terminology_entry}

    @classmethod
    def from_dict(cls, values: dict) -> "Label":
        """The label that :meth:`to_dict` described.

        Raises:
            KeyError, TypeError, ValueError: the values describe none.
        """
        codes = {key: tuple(str(text) for text in values[key]) for key in ("category", "type", "modifier")}
        color = tuple(float(part) for part in values["color"])
        if any(len(code) != 3 for code in (*codes.values(), color)):
            raise ValueError("Codes and colors have three parts.")
        return cls(int(values["value"]), str(values["name"]), color=color, **codes)


def _color(red: int, green: int, blue: int) -> tuple[float, float, float]:
    return red / 255, green / 255, blue / 255


# In a label map the body is what is left beside the others; as a segment it is everything inside the skin.
BODY = Label(1, "Body", _TISSUE, _TISSUE, _color(128, 174, 128))
RIGHT_LUNG = Label(2, "Right lung", _STRUCTURE, _LUNG, _color(197, 165, 145), ("SCT", "24028007", "Right"))
LEFT_LUNG = Label(3, "Left lung", _STRUCTURE, _LUNG, _color(197, 165, 145), ("SCT", "7771000", "Left"))
AIRWAY = Label(5, "Airway", _STRUCTURE, ("SCT", "44567001", "Trachea"), _color(182, 228, 255))
MEDIASTINUM = Label(6, "Mediastinum", _STRUCTURE, ("SCT", "72410000", "Mediastinum"), _color(206, 110, 84))
VERTEBRAE = Label(7, "Vertebrae", _STRUCTURE, ("SCT", "51282000", "Vertebra"), _color(255, 255, 207))
RIBS = Label(8, "Ribs, sternum and shoulders", _STRUCTURE, ("SCT", "113197003", "Rib"), _color(253, 232, 158))
LIVER = Label(9, "Liver", _STRUCTURE, ("SCT", "10200004", "Liver"), _color(221, 130, 101))
SPLEEN = Label(10, "Spleen", _STRUCTURE, ("SCT", "78961009", "Spleen"), _color(157, 108, 162))
KIDNEY = Label(11, "Kidney", _STRUCTURE, ("SCT", "64033007", "Kidney"), _color(185, 102, 83))
TUMOR = Label(12, "Tumor", _ALTERED, ("SCT", "86049000", "Neoplasm, Primary"), _color(144, 238, 144))
NODULE = Label(13, "Lung nodule", _ALTERED, ("SCT", "27925004", "Nodule"), _color(245, 130, 48))
BONE = Label(
    4,
    "Bone",
    _TISSUE,
    ("SCT", "272673000", "Bone"),
    _color(241, 214, 145),
    also=(VERTEBRAE.value, RIBS.value),
)

LABELS = (BODY, RIGHT_LUNG, LEFT_LUNG, MEDIASTINUM, BONE)
"""What rules find in any CT of a chest, a reconstructed one too."""


def own_label(value: int, name: str) -> Label:
    """A label of somebody's own data, of which only the name is known; hues that follow each other differ much."""
    return Label(value, name, _TISSUE, _TISSUE, colorsys.hsv_to_rgb(value * 0.618 % 1, 0.6, 0.9))


def structure(labels, label: Label) -> np.ndarray:
    """Where one structure is in a label map (a ``Volume``), as booleans [k, j, i]."""
    return label.within(labels.array)
