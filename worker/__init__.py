"""What runs beside the web: background jobs, the media node, the robots."""
