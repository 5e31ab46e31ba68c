"""exchanges: being written."""
