"""signing: being written."""
