"""Geometry, attenuation, projection, and the files that hold volumes and radiographs."""
