"""How recipes learn: the loop and its players, in one process or many, and the folder of a run."""
