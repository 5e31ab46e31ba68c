"""photos: being written."""
