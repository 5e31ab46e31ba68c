"""Measurements. Each bench prints JSON lines on stdout, with ours and a named peer measured in the same run."""
