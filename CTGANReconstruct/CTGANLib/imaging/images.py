"""Image files through SimpleITK, and the damage that it passes over in silence."""

import gzip
import os
import struct
import warnings
import zlib
from pathlib import Path

import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from ..errors import UserError


def read_image(path: Path, image_io: str = "") -> sitk.Image:
    """Read one image file.

    Raises:
        UserError: the file is damaged, or of no format that is known.
    """
    try:
        image = sitk.ReadImage(str(path), imageIO=image_io)
        if _is_cut_off(path, image):
            raise RuntimeError("The file ends too early.")
    except RuntimeError as error:
        raise UserError(
            f"{path} cannot be read as an image.",
            "It may be empty, damaged, or of a format that is not known. Export it again.",
        ) from error
    return image


def write_image(image: sitk.Image, path: Path) -> None:
    """``sitk.WriteImage`` with one clear sentence when it fails."""
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        raise UserError(
            f"Cannot write a volume as {''.join(path.suffixes)}.", "Use .nrrd, .nii.gz or .mha, and check the disk."
        ) from error


def read_tags(path: Path) -> Dataset:
    """The tags of one DICOM file, without its pixels, which are checked to be there.

    Raises:
        UserError: the file is damaged or holds no pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # small faults are common; what matters is checked below
            dataset = pydicom.dcmread(path, force=True)
        pixels = dataset.get_item("PixelData")
        # Compressed pixels have no length of their own; cut off, they cannot be parsed.
        whole = pixels is not None and (pixels.length == 0xFFFFFFFF or len(pixels.value) >= pixels.length)
    except Exception as error:  # pydicom raises whatever the damage leads to
        raise UserError(f"{path} is a damaged DICOM file.", "Export it again.") from error
    if not whole:
        raise UserError(f"{path} is a DICOM file without all of its pixels.", "Export it again.")
    del dataset.PixelData
    return dataset


def _has_its_checksum(path: Path, image: sitk.Image) -> bool:
    """Whether a .nii.gz file's checksum is that of its header and of the voxels that were read from it.

    Where voxels are scaled or turned on reading it is not, though the file may be whole.
    """
    try:
        offset = int(float(image.GetMetaData("vox_offset")))
        with gzip.open(path) as file:
            header = file.read(offset)
        with path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            checksum, size = struct.unpack("<II", file.read(8))
    except (EOFError, OSError, ValueError, RuntimeError, zlib.error):
        return False
    voxels = sitk.GetArrayViewFromImage(image)
    return (len(header) + voxels.nbytes) % 2**32 == size and zlib.crc32(voxels, zlib.crc32(header)) == checksum


def _is_cut_off(path: Path, image: sitk.Image) -> bool:
    """Whether a NIfTI or JPEG file ends before its last pixel; ITK fills up what is missing."""
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return b"\xff\xd9" not in path.read_bytes()[-1024:]  # the mark of the end
    if path.name.lower().endswith(".nii.gz"):
        if _has_its_checksum(path, image):
            return False
        try:
            with gzip.open(path) as file:
                while file.read(1 << 22):
                    pass
        except (EOFError, OSError, zlib.error):
            return True
    if path.suffix.lower() == ".nii" and image.HasMetaDataKey("bitpix"):
        voxels = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel()
        return path.stat().st_size * 8 < voxels * int(image.GetMetaData("bitpix"))
    return False
