"""Readers and writers of logged data."""
