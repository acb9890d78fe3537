"""Folders of CTs: what they hold, what each case is good for, and the prepared cache."""
