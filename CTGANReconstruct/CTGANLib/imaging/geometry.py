"""Where things are: grids of voxels and X-ray acquisitions, in patient RAS millimeters.

RAS: the first coordinate grows toward the patient's right, the second toward anterior, the third toward superior.
Arrays are indexed ``[k, j, i]`` as in Slicer, SimpleITK and numpy; ``i`` runs fastest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np


class View(str, Enum):
    """Radiographic view, named after the way of the beam (PA, AP) or the side at the detector (laterals)."""

    PA = "PA"
    AP = "AP"
    LLAT = "LLAT"
    RLAT = "RLAT"

    @property
    def is_frontal(self) -> bool:
        return self in (View.PA, View.AP)


# Beam, image-column and image-row direction in RAS as a reader sees the picture: frontal views with the patient's
# left on the right side of the picture, lateral views with the front to the left, the head always up.
_FRAMES = {
    View.PA: ((0, 1, 0), (-1, 0, 0), (0, 0, -1)),
    View.AP: ((0, -1, 0), (-1, 0, 0), (0, 0, -1)),
    View.LLAT: ((-1, 0, 0), (0, -1, 0), (0, 0, -1)),
    View.RLAT: ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
}

_IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxels.

    Attributes:
        shape: number of voxels along (k, j, i).
        ijk_to_ras: 4×4 matrix from voxel index (i, j, k, 1), at voxel centers, to RAS in mm.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray = field(compare=False)

    @classmethod
    def centered(
        cls,
        shape: tuple[int, int, int],
        spacing: float | Sequence[float],
        center: tuple[float, float, float] = (0, 0, 0),
    ) -> "Grid":
        """A grid with axes along +R, +A, +S whose middle is at ``center`` (RAS, mm).

        Args:
            shape: number of voxels along (k, j, i).
            spacing: of the voxels along all axes or along (i, j, k), mm.
            center: of the grid.
        """
        sizes = np.broadcast_to(np.asarray(spacing, float), 3)
        matrix = np.diag([*sizes, 1.0])
        matrix[:3, 3] = np.asarray(center) - sizes * (np.asarray(shape[::-1]) - 1) / 2
        return cls(tuple(shape), matrix)

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size along (i, j, k) in mm."""
        return np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @property
    def directions(self) -> np.ndarray:
        """3×3 matrix whose columns are the unit RAS directions of i, j and k."""
        return self.ijk_to_ras[:3, :3] / self.spacing

    @property
    def center(self) -> np.ndarray:
        """RAS of the middle of the grid, in mm."""
        return self.to_ras((np.asarray(self.shape[::-1]) - 1) / 2)

    def to_ras(self, ijk: np.ndarray) -> np.ndarray:
        """RAS in mm of voxel indices ``ijk`` with shape [..., 3]."""
        return np.asarray(ijk) @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def to_ijk(self, ras: np.ndarray) -> np.ndarray:
        """Fractional voxel indices of points ``ras`` (mm) with shape [..., 3]."""
        return (np.asarray(ras) - self.ijk_to_ras[:3, 3]) @ np.linalg.inv(self.ijk_to_ras[:3, :3]).T

    def coarser(self, factor: int) -> "Grid":
        """The grid whose voxels each cover ``factor``³ voxels of this one; the covered space is the same."""
        matrix = self.ijk_to_ras.copy()
        matrix[:3, :3] *= factor
        matrix[:3, 3] = self.to_ras(np.full(3, (factor - 1) / 2))
        return Grid(tuple(size // factor for size in self.shape), matrix)


def c_arm_rotation(primary: float, secondary: float = 0.0, roll: float = 0.0) -> tuple[tuple[float, ...], ...]:
    """The :attr:`Acquisition.rotation` of a C-arm, for the view PA, whose detector is in front of the patient.

    Source: DICOM PS3.3 C.8.7.5.1.2 (XA positioner); a supine patient's chest faces the detector at (0, 0).

    Args:
        primary: degrees by which the detector turns about the patient's long axis, positive toward the patient's
            left (LAO), negative toward the right (RAO). 90 is the left lateral view.
        secondary: degrees by which the detector tilts, positive toward the head (cranial), negative caudal.
        roll: degrees by which the detector turns about the beam, clockwise as seen from the source.
    """
    about_s, about_r, about_a = np.radians([primary, secondary, roll])
    turn = np.array([[np.cos(about_s), -np.sin(about_s), 0], [np.sin(about_s), np.cos(about_s), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(about_r), -np.sin(about_r)], [0, np.sin(about_r), np.cos(about_r)]])
    spin = np.array([[np.cos(about_a), 0, np.sin(about_a)], [0, 1, 0], [-np.sin(about_a), 0, np.cos(about_a)]])
    return tuple(tuple(float(n) for n in row) for row in turn @ tilt @ spin)


@dataclass(frozen=True)
class Acquisition:
    """How one radiograph was taken: a point source and a flat detector.

    The frame of ``view`` is turned by ``rotation`` about the isocenter. The ray through the isocenter meets the
    detector at a right angle, ``detector_offset`` away from the middle of the picture.

    Attributes:
        view: the view before ``rotation``.
        source_to_detector_distance: mm. (RTK says SDD, Plastimatch sid.)
        source_to_isocenter_distance: mm. (RTK says SID, Plastimatch sad.)
        detector_shape: (rows, columns).
        pixel_spacing: (between rows, between columns) on the detector, mm.
        isocenter: RAS, mm.
        detector_offset: middle of the detector from the central ray, along (columns, rows), mm.
        rotation: 3×3 rotation in RAS about the isocenter, as nested tuples; see :func:`c_arm_rotation`.
        parallel: the rays are parallel to the central ray instead of spreading from the source. The distances still
            say where the detector is.
    """

    view: View = View.PA
    source_to_detector_distance: float = 1800.0
    source_to_isocenter_distance: float = 1600.0
    detector_shape: tuple[int, int] = (256, 256)
    pixel_spacing: tuple[float, float] = (1.68, 1.68)
    isocenter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    detector_offset: tuple[float, float] = (0.0, 0.0)
    rotation: tuple[tuple[float, float, float], ...] = _IDENTITY
    parallel: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.source_to_isocenter_distance < self.source_to_detector_distance:
            raise ValueError(
                "The isocenter must lie between source and detector, but the source-to-isocenter distance is "
                f"{self.source_to_isocenter_distance:g} mm and the source-to-detector distance "
                f"{self.source_to_detector_distance:g} mm."
            )
        if min(self.pixel_spacing) <= 0 or min(self.detector_shape) < 1:
            raise ValueError("The detector needs at least one pixel and a pixel spacing above zero.")

    def _direction(self, which: int) -> np.ndarray:
        return np.asarray(self.rotation) @ np.asarray(_FRAMES[self.view][which], float)

    @property
    def beam_direction(self) -> np.ndarray:
        """Unit RAS vector from source to isocenter."""
        return self._direction(0)

    @property
    def column_direction(self) -> np.ndarray:
        """Unit RAS vector along which the column index grows (left to right in the picture)."""
        return self._direction(1)

    @property
    def row_direction(self) -> np.ndarray:
        """Unit RAS vector along which the row index grows (top to bottom in the picture)."""
        return self._direction(2)

    @property
    def source(self) -> np.ndarray:
        """RAS of the focal spot, mm."""
        return np.asarray(self.isocenter) - self.source_to_isocenter_distance * self.beam_direction

    @property
    def detector_center(self) -> np.ndarray:
        """RAS of the middle of the detector, mm."""
        across, down = self.detector_offset
        return (
            self.source
            + self.source_to_detector_distance * self.beam_direction
            + across * self.column_direction
            + down * self.row_direction
        )

    @property
    def ijk_to_ras(self) -> np.ndarray:
        """4×4 matrix of the picture as a one-slice volume on its detector: i is the column, j the row; right-handed."""
        rows, columns = self.detector_shape
        matrix = np.eye(4)
        matrix[:3, 0] = self.column_direction * self.pixel_spacing[1]
        matrix[:3, 1] = self.row_direction * self.pixel_spacing[0]
        matrix[:3, 2] = np.cross(self.column_direction, self.row_direction)
        matrix[:3, 3] = self.detector_center - matrix[:3, :2] @ [(columns - 1) / 2, (rows - 1) / 2]
        return matrix

    @property
    def projection_matrix(self) -> np.ndarray:
        """3×4 pinhole matrix: (column·w, row·w, w) = matrix @ (R, A, S, 1).

        w is the share of the way from the source to the detector, or 1 for parallel rays.
        """
        to_detector = np.stack([self.column_direction, self.row_direction, self.beam_direction])
        on_detector = np.hstack([to_detector, -(to_detector @ self.source)[:, None]])
        depth = np.array([0.0, 0, 0, 1]) if self.parallel else on_detector[2] / self.source_to_detector_distance
        rows, columns = self.detector_shape
        across, down = self.detector_offset
        column = on_detector[0] / self.pixel_spacing[1] + ((columns - 1) / 2 - across / self.pixel_spacing[1]) * depth
        row = on_detector[1] / self.pixel_spacing[0] + ((rows - 1) / 2 - down / self.pixel_spacing[0]) * depth
        return np.stack([column, row, depth])

    @classmethod
    def from_projection_matrix(cls, matrix: np.ndarray, detector_shape: tuple[int, int]) -> "Acquisition":
        """An acquisition of this :attr:`projection_matrix`, with its isocenter at the point of the central ray nearest
        to the origin of RAS. (Of parallel rays the matrix does not say which way they go.)

        Args:
            matrix: 3×4, of rank 3; w is the share of the way from the source to the detector, or 1 for parallel rays.
            detector_shape: (rows, columns).
        """
        parallel = not matrix[2, :3].any()
        column, row = matrix[:2, :3]
        beam = np.cross(column, row) if parallel else matrix[2, :3]
        beam = beam / np.linalg.norm(beam)
        across, down = (axis - (axis @ beam) * beam for axis in (column, row))
        spacing = 1 / np.array([np.linalg.norm(down), np.linalg.norm(across)])
        frame = np.stack([beam, across * spacing[1], down * spacing[0]])
        # The two frontal views differ in handedness.
        view = View.PA if np.linalg.det(frame) * np.linalg.det(_FRAMES[View.PA]) > 0 else View.AP
        if parallel:
            distance, to_isocenter = cls.source_to_detector_distance, cls.source_to_isocenter_distance
            isocenter, middle = np.zeros(3), matrix[:2, 3]
        else:
            distance = 1 / np.linalg.norm(matrix[2, :3])
            source = -np.linalg.solve(matrix[:, :3], matrix[:, 3])
            to_isocenter = -source @ beam
            isocenter = source + to_isocenter * beam
            middle = distance * np.array([column @ beam, row @ beam])
        offset = ((np.asarray(detector_shape)[::-1] - 1) / 2 - middle) * spacing[::-1]
        return cls(
            view,
            float(distance),
            float(to_isocenter),
            tuple(detector_shape),
            tuple(spacing.tolist()),
            tuple(float(n) for n in isocenter),
            tuple(offset.tolist()),
            tuple(map(tuple, (frame.T @ np.asarray(_FRAMES[view], float)).tolist())),
            parallel,
        )

    def project_points(self, ras: np.ndarray) -> np.ndarray:
        """(column, row) in pixels, shape [..., 2], of points ``ras`` in mm, shape [..., 3]."""
        ras = np.asarray(ras, float)
        homogeneous = ras @ self.projection_matrix[:, :3].T + self.projection_matrix[:, 3]
        return homogeneous[..., :2] / homogeneous[..., 2:]

    def to_dict(self) -> dict:
        """Plain data for JSON; :meth:`from_dict` is the way back."""
        return {**vars(self), "view": self.view.value}

    @classmethod
    def from_dict(cls, data: dict) -> "Acquisition":
        """The acquisition that :meth:`to_dict` described.

        Raises:
            ValueError: a key or value does not describe an acquisition.
        """
        try:
            return cls(
                view=View(data["view"]),
                source_to_detector_distance=float(data["source_to_detector_distance"]),
                source_to_isocenter_distance=float(data["source_to_isocenter_distance"]),
                detector_shape=tuple(int(n) for n in data["detector_shape"]),
                pixel_spacing=tuple(float(n) for n in data["pixel_spacing"]),
                isocenter=tuple(float(n) for n in data["isocenter"]),
                detector_offset=tuple(float(n) for n in data["detector_offset"]),
                rotation=tuple(tuple(float(n) for n in row) for row in data["rotation"]),
                parallel=bool(data.get("parallel", False)),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"Not an acquisition: {error}") from error
