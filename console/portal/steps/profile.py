"""profile: being written."""
