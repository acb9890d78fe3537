"""From where a volume is looked at: cameras in patient RAS mm, and the four numbers of a viewpoint around a volume."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..imaging.geometry import Grid

VIEW_ANGLE = 30.0
# Distance of the camera in diagonals of the volume, and the elevation at which it stands level with the patient, as in
# the data sets of Berger et al., A Generative Model for Volume Rendering, IEEE TVCG 2019.
_DISTANCE, _LEVEL = 2.5, 85.0
_STEEPEST = 89.9  # degrees above or below that; at a pole nothing tells what is up
_ELEVATIONS, _ROLL, _ZOOMS = (5.0, 165.0), 10.0, (1.0, 2.5)
_LEFT, _FRONT, _UP = np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 1.0])


@dataclass(frozen=True)
class Camera:
    """A camera as VTK and Slicer have it; pictures are square.

    Attributes:
        position, focal_point: RAS, mm.
        view_up: direction in RAS that is up in the picture, as far as it is across the line of sight.
        view_angle: degrees between the upper and the lower edge.
        parallel_scale: half the height of the picture in mm, of a camera without perspective; else None.
    """

    position: tuple[float, float, float]
    focal_point: tuple[float, float, float]
    view_up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    view_angle: float = VIEW_ANGLE
    parallel_scale: float | None = None

    def __post_init__(self) -> None:
        numbers = [*self.position, *self.focal_point, *self.view_up, self.view_angle, self.parallel_scale or 1.0]
        if not np.isfinite(numbers).all() or not 0 < self.view_angle < 170 or (self.parallel_scale or 1.0) <= 0:
            raise UserError("The camera's numbers make no sense.", "Give finite positions and an angle below 170°.")
        across = np.cross(self.direction, self.view_up)
        if np.linalg.norm(self.direction) == 0 or np.linalg.norm(across) < 1e-9:
            raise UserError("The camera looks nowhere, or along its own up.", "Move its position or its focal point.")

    @property
    def direction(self) -> np.ndarray:
        """Unit vector of the line of sight (RAS)."""
        sight = np.subtract(self.focal_point, self.position)
        return sight / max(float(np.linalg.norm(sight)), 1e-12)

    @property
    def axes(self) -> np.ndarray:
        """Rows: right and up in the picture and the line of sight, unit vectors in RAS."""
        right = np.cross(self.direction, self.view_up)
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(right, self.direction), self.direction])

    @property
    def half_height(self) -> float:
        """Half the height of what is seen at the focal point, mm."""
        distance = float(np.linalg.norm(np.subtract(self.focal_point, self.position)))
        return self.parallel_scale or distance * math.tan(math.radians(self.view_angle / 2))

    def rays(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the rays through the pixel centers begin (RAS, mm), and their unit directions, each [size, size, 3].

        Rows go down, columns to the right.
        """
        right, up, sight = self.axes
        edge = (np.arange(size) + 0.5) / size * 2 - 1
        aside = edge[None, :, None] * right - edge[:, None, None] * up
        begin = np.broadcast_to(np.asarray(self.position, float), aside.shape)
        if self.parallel_scale:
            return begin + self.parallel_scale * aside, np.broadcast_to(sight, aside.shape)
        directions = sight + math.tan(math.radians(self.view_angle / 2)) * aside
        return begin, directions / np.linalg.norm(directions, axis=-1, keepdims=True)


@dataclass(frozen=True)
class View:
    """A viewpoint around a volume (TFGAN's ``view.npy``).

    Attributes:
        elevation: degrees, 5 from below the feet to 165 from above the head; 85 is level with the patient.
        azimuth: degrees around the patient: 0 from the front, 90 from the patient's left.
        roll: degrees by which the camera is turned about its line of sight.
        zoom: 1 shows the whole volume.
    """

    elevation: float = _LEVEL
    azimuth: float = 0.0
    roll: float = 0.0
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.elevation, self.azimuth, self.roll, self.zoom]).all() or self.zoom <= 0:
            raise UserError("The view's numbers make no sense.", "Give elevation, azimuth, roll, and a zoom above 0.")
        if abs(self.elevation - _LEVEL) > _STEEPEST:
            raise UserError(f"The elevation cannot be {self.elevation:g}°.", "Choose a value from 5 to 165.")

    def camera(self, grid: Grid) -> Camera:
        """The camera at this viewpoint of a volume."""
        height, around = math.radians(self.elevation - _LEVEL), math.radians(self.azimuth)
        level = math.sin(around) * _LEFT + math.cos(around) * _FRONT
        place = math.cos(height) * level + math.sin(height) * _UP
        position = grid.center + _DISTANCE * diagonal(grid) * place
        upright = Camera(tuple(position), tuple(grid.center), view_angle=VIEW_ANGLE / self.zoom)
        right, up, _ = upright.axes
        turn = math.radians(self.roll)
        return Camera(
            upright.position,
            upright.focal_point,
            tuple(math.cos(turn) * up + math.sin(turn) * right),
            upright.view_angle,
        )

    @classmethod
    def of(cls, camera: Camera, grid: Grid) -> "View":
        """The viewpoint that is next to any camera's: it looks at the volume's middle."""
        place = -camera.direction
        elevation = math.degrees(math.asin(float(np.clip(place @ _UP, -1, 1)))) + _LEVEL
        azimuth = math.degrees(math.atan2(float(place @ _LEFT), float(place @ _FRONT))) % 360
        half_angle = math.degrees(math.atan(camera.half_height / (_DISTANCE * diagonal(grid))))
        zoom = VIEW_ANGLE / 2 / half_angle
        steepest = np.clip(elevation, _LEVEL - _STEEPEST, _LEVEL + _STEEPEST)
        view = cls(float(steepest), azimuth, 0.0, zoom)
        right, up, _ = view.camera(grid).axes
        roll = math.degrees(math.atan2(float(camera.axes[1] @ right), float(camera.axes[1] @ up)))
        return cls(view.elevation, azimuth, roll, zoom)

    @property
    def encoded(self) -> np.ndarray:
        """What a network is told: elevation within ±1, cosine and sine of the azimuth, roll and zoom, float32 [5]."""
        around = math.radians(self.azimuth)
        zoom = 2 * (self.zoom - _ZOOMS[0]) / (_ZOOMS[1] - _ZOOMS[0]) - 1
        roll = float(np.clip(self.roll / _ROLL, -3, 3))
        elevation = 2 * self.elevation / 180 - 1
        return np.array([elevation, math.cos(around), math.sin(around), roll, np.clip(zoom, -2, 4)], np.float32)

    @property
    def row(self) -> list[float]:
        """The row of ``view.npy``."""
        return [self.elevation, self.azimuth, self.roll, self.zoom]


def diagonal(grid: Grid) -> float:
    """Of the box of a grid's voxels, mm."""
    return float(np.linalg.norm(grid.spacing * grid.shape[::-1]))


def random_view(random: np.random.Generator) -> View:
    """A viewpoint in TFGAN's ranges."""
    return View(
        random.uniform(*_ELEVATIONS), random.uniform(0, 360), random.uniform(-_ROLL, _ROLL), random.uniform(*_ZOOMS)
    )
