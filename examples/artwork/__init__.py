"""Draws the example catalog's artworks as SVG from their features, with shapes of our own."""
