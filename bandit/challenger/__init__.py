"""The challenger: a second way to serve that learns in shadow, is judged, and may take over."""
