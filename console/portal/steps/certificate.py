"""certificate: being written."""
