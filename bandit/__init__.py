"""Marquee's learning core: pages in, decisions out, feedback back in as better models.

No HTTP, no Flask, no simulation lives here. The same code serves, learns online and is judged
offline.
"""
