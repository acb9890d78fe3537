"""Noise to CT: a pyramid of generators that learns from one volume or a handful."""
