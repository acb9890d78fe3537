"""CTGANLib: the torch backend of CTGAN for 3D Slicer. A plain Python package that never imports Slicer or Qt."""

__version__ = "0.1.0"
