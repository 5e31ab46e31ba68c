"""score_reports: being written."""
