"""Policies to compare, production's among them, under one protocol."""
