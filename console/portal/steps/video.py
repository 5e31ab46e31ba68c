"""video: being written."""
