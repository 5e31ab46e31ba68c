"""What the media engine costs and how quick it is, beside others on the same machine: `python -m bench.media`."""
