"""reading: being written."""
