"""How good it is: metrics, tables, pictures, reports, ablations."""
