"""What a segmenter is asked for: which labels, seen in which window, at which spacing, cleaned up by which rules."""

from dataclasses import dataclass, field, replace

from ..errors import UserError
from .labels import (
    AIRWAY,
    BODY,
    KIDNEY,
    LEFT_LUNG,
    LIVER,
    MEDIASTINUM,
    NODULE,
    RIBS,
    RIGHT_LUNG,
    SPLEEN,
    TUMOR,
    VERTEBRAE,
    Label,
    own_label,
)

MOST_LABELS = 15
"""A voxel's possible labels are bits of 16, the background among them."""


@dataclass(frozen=True)
class Task:
    """What is to be told apart.

    Class 0 is the background and class n the n-th label. A label map holds the labels' values.

    Attributes:
        name: of the task.
        labels: no two overlap.
        window: HU below and above which nothing is told apart any more.
        spacing: of the voxels that the network sees, mm.
        meanings: the possible labels of a voxel of each structure that label files may name.
        whole: by label, groups of structures each of which is all there is of it; by default the structures that mean
            this label alone.
        unions: further structures that are scored, by name, with the labels that they consist of.
        single: labels of which only the largest part is kept.
        least_ml: smaller connected parts of the other labels are taken for errors.
        mirrored: whether left and right may be exchanged, since no label has a side.
        blood: labels that contrast medium fills.
        dense: labels of bone, whose borders the HU of the CT tell better than a network.
        grown: the label of nodules, which patients have too few of to learn from; training puts some into their lungs.
        withheld: labels that a model has learned from too few patients to offer them; it takes them for the rest.
    """

    name: str
    labels: tuple[Label, ...]
    window: tuple[float, float]
    spacing: float
    meanings: dict[str, tuple[Label, ...]] = field(hash=False)
    whole: dict[Label, tuple[tuple[str, ...], ...]] = field(hash=False, default_factory=dict)
    unions: dict[str, tuple[Label, ...]] = field(hash=False, default_factory=dict)
    single: tuple[Label, ...] = ()
    least_ml: float = 0.5
    mirrored: bool = False
    # Prepared data, which are kept under what ``repr`` tells, depend on none of these.
    blood: tuple[Label, ...] = field(default=(), repr=False)
    dense: tuple[Label, ...] = field(default=(), repr=False)
    grown: Label | None = field(default=None, repr=False)
    withheld: tuple[Label, ...] = field(default=(), repr=False)

    @property
    def offered(self) -> tuple[Label, ...]:
        """The labels that whoever uses a model gets."""
        return tuple(label for label in self.labels if label not in self.withheld)

    @property
    def classes(self) -> int:
        """How many classes there are, the background among them."""
        return len(self.labels) + 1

    def bits(self, *labels: Label) -> int:
        """A set of labels as one number: bit n is set where class n is among them."""
        return sum(1 << (self.labels.index(label) + 1) for label in labels)

    @property
    def all_bits(self) -> int:
        """The set of all classes: nothing is known."""
        return (1 << self.classes) - 1

    @property
    def rest_bits(self) -> int:
        """What tissue that is none of the structures is: the body where it is a label, else the background."""
        return self.bits(BODY) if BODY in self.labels else 1

    @property
    def rest(self) -> int:
        """The class of :attr:`rest_bits`."""
        return self.rest_bits.bit_length() - 1

    def is_whole(self, label: Label, told: set[str]) -> bool:
        """Whether who tells these structures apart shows all there is of a label."""
        own = tuple(name for name, labels in self.meanings.items() if labels == (label,))
        return any(names and told.issuperset(names) for names in self.whole.get(label, (own,)))


_BONES = (VERTEBRAE, RIBS)
_VERTEBRAE = [f"vertebrae_{level}" for level in ("S1", *(f"L{n}" for n in range(1, 6)))]
_VERTEBRAE += [f"vertebrae_{level}" for level in (*(f"T{n}" for n in range(1, 13)), *(f"C{n}" for n in range(1, 8)))]
_RIBS = [f"rib_{side}_{number}" for side in ("left", "right") for number in range(1, 13)]
_RIBS += ["sternum"] + [f"{bone}_{side}" for bone in ("clavicula", "scapula", "humerus") for side in ("left", "right")]
_OTHERS = [
    "kidney_right",
    "kidney_left",
    "gallbladder",
    "stomach",
    "pancreas",
    "adrenal_gland_right",
    "adrenal_gland_left",
    "small_bowel",
    "duodenum",
    "colon",
    "urinary_bladder",
    "spinal_cord",
    "autochthon_left",
    "autochthon_right",
    "iliopsoas_left",
    "iliopsoas_right",
    "portal_vein_and_splenic_vein",
    "gluteus_maximus_left",
    "gluteus_maximus_right",
]
_LOBES = {
    "right": ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right"),
    "left": ("lung_upper_lobe_left", "lung_lower_lobe_left"),
}

CHEST = Task(
    name="chest",
    labels=(BODY, RIGHT_LUNG, LEFT_LUNG, AIRWAY, MEDIASTINUM, VERTEBRAE, RIBS, LIVER, SPLEEN),
    window=(-1000.0, 500.0),
    spacing=2.0,
    meanings={
        **dict.fromkeys(_LOBES["right"], (RIGHT_LUNG,)),
        **dict.fromkeys(_LOBES["left"], (LEFT_LUNG,)),
        "trachea": (AIRWAY,),
        **dict.fromkeys(("heart", "atrial_appendage_left", "pulmonary_vein"), (MEDIASTINUM,)),
        # They go on beyond the mediastinum, into neck, arms and abdomen.
        **dict.fromkeys(
            (
                *("esophagus", "aorta", "superior_vena_cava", "inferior_vena_cava", "brachiocephalic_trunk"),
                *(f"{vessel}_{side}" for vessel in ("subclavian_artery", "common_carotid_artery") for side in _LOBES),
                *(f"brachiocephalic_vein_{side}" for side in _LOBES),
            ),
            (MEDIASTINUM, BODY),
        ),
        **dict.fromkeys(_VERTEBRAE, (VERTEBRAE,)),
        **dict.fromkeys(_RIBS, (RIBS,)),
        "costal_cartilages": (RIBS, BODY),
        **dict.fromkeys(("sacrum", *(f"{bone}_{side}" for bone in ("hip", "femur") for side in _LOBES)), _BONES),
        "liver": (LIVER,),
        "spleen": (SPLEEN,),
        **dict.fromkeys(_OTHERS, (BODY,)),
    },
    # Main bronchi, what lies between the great vessels, and most of the body have no name.
    whole={BODY: (), AIRWAY: (), MEDIASTINUM: ()},
    unions={"Lungs": (RIGHT_LUNG, LEFT_LUNG), "Bones": _BONES},
    single=(RIGHT_LUNG, LEFT_LUNG, AIRWAY, MEDIASTINUM, VERTEBRAE, LIVER, SPLEEN),
    blood=(MEDIASTINUM,),
    dense=_BONES,
)

_KIDNEYS = ("kidney_left", "kidney_right")

KIDNEY_TASK = Task(
    name="kidney",
    labels=(KIDNEY, TUMOR),
    window=(-160.0, 300.0),
    spacing=2.0,
    meanings={
        # The values of KiTS19 to KiTS23 (Heller et al., Medical Image Analysis 2021); the third is a cyst.
        **{"1": (KIDNEY,), "2": (TUMOR,), "3": (KIDNEY,)},
        # Who knows no tumors has them within the kidneys.
        **dict.fromkeys(_KIDNEYS, (KIDNEY, TUMOR)),
    },
    whole={KIDNEY: (("1",), _KIDNEYS), TUMOR: (("2",), _KIDNEYS)},
    unions={"Kidney and tumor": (KIDNEY, TUMOR)},
    mirrored=True,
)

NODULE_TASK = Task(
    name="nodule",
    labels=(NODULE,),
    window=(-1000.0, 400.0),
    spacing=2.0,
    meanings={"nodule": (NODULE,)},
    least_ml=0.03,
    mirrored=True,
    grown=NODULE,
)


def find_task(name: str, labels: str = "", withhold: str = "") -> Task:
    """A task by its name.

    Args:
        name: ``chest``, ``kidney``, ``nodule`` or ``labels``.
        labels: of the task ``labels``: which structures of the data set's label files are to be learned, as
            ``KEY=NAME, KEY=NAME``; a key is a value of the label maps, or the name of a file with one structure.
            Keys with one name are learned as one.
        withhold: names of labels that are not offered, separated by commas; see :class:`Task`.

    Raises:
        UserError: there is no such task or label, or the labels make no sense.
    """
    task = _task(name, labels)
    names = {part.strip() for part in withhold.split(",") if part.strip()}
    withheld = tuple(label for label in task.labels if label.name in names)
    if len(withheld) < len(names) or not task.rest_bits & ~task.bits(*withheld):
        known = ", ".join(label.name for label in task.labels)
        raise UserError(f"The setting withhold cannot be {withhold!r}.", f"Choose some of {known}.")
    return replace(task, withheld=withheld)


def _task(name: str, labels: str) -> Task:
    tasks = {task.name: task for task in (CHEST, KIDNEY_TASK, NODULE_TASK)}
    if name in tasks:
        return tasks[name]
    if name != "labels":
        raise UserError(f"There is no segmentation task {name}.", f"Choose one of {', '.join((*tasks, 'labels'))}.")
    pairs = [(key.strip(), (title or key).strip()) for key, _, title in (e.partition("=") for e in labels.split(","))]
    names = list(dict.fromkeys(title for _, title in pairs))
    if not all(key and title for key, title in pairs) or len(names) > MOST_LABELS:
        raise UserError(
            f"The setting labels cannot be {labels!r}.",
            f"Give up to {MOST_LABELS} labels, such as 1=Liver,2=Lesion.",
        )
    chosen = {title: own_label(number, title) for number, title in enumerate(names, 1)}
    meanings = {key: (chosen[title],) for key, title in pairs}
    return Task("labels", tuple(chosen.values()), (-500.0, 500.0), 2.0, meanings)
