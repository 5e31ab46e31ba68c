"""certificate_check: being written."""
