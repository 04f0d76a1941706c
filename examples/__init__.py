"""The example: a catalog of public-domain films with its artworks, viewers, and the demo."""
