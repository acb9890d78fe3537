"""A picture of a volume from a viewpoint and transfer functions, by VTK, by a ray-caster in torch, and by a network."""
