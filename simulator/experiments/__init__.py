"""Published results beside ours: load, settings, score."""
