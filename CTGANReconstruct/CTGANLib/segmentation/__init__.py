"""CT to labels: body, lungs and bone."""
