"""The event log: where scorers write what they served and what came back, and learners read it."""
