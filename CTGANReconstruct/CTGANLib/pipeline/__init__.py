"""From a data set to a published model in one go, step by step."""
