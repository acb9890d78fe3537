"""Slices of CTs, and radiographs, from noise."""
