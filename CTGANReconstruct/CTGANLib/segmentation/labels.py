"""What the values of a label map mean, with the names, codes and colors that Slicer knows."""

from dataclasses import dataclass

Code = tuple[str, str, str]

_TISSUE: Code = ("SCT", "85756007", "Tissue")
_STRUCTURE: Code = ("SCT", "123037004", "Anatomical Structure")
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
    """

    value: int
    name: str
    category: Code
    type: Code
    color: tuple[float, float, float]
    modifier: Code = ("", "", "")

    @property
    def terminology_entry(self) -> str:
        """The segment tag ``TerminologyEntry`` of Slicer."""
        codes = "~".join("^".join(code) for code in (self.category, self.type, self.modifier))
        return (
            f"Segmentation category and type - 3D Slicer General Anatomy list~{codes}"
            "~Anatomic codes - DICOM master list~^^~^^"
        )


def _color(red: int, green: int, blue: int) -> tuple[float, float, float]:
    return red / 255, green / 255, blue / 255


# In a label map the body is what is left beside the others; as a segment it is everything inside the skin.
BODY = Label(1, "Body", _TISSUE, _TISSUE, _color(128, 174, 128))
RIGHT_LUNG = Label(2, "Right lung", _STRUCTURE, _LUNG, _color(197, 165, 145), ("SCT", "24028007", "Right"))
LEFT_LUNG = Label(3, "Left lung", _STRUCTURE, _LUNG, _color(197, 165, 145), ("SCT", "7771000", "Left"))
BONE = Label(4, "Bone", _TISSUE, ("SCT", "272673000", "Bone"), _color(241, 214, 145))

LABELS = (BODY, RIGHT_LUNG, LEFT_LUNG, BONE)
