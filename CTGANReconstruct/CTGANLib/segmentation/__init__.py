"""CT to labels: by a network, or by rules."""
