"""What the learner counts beside learning: figures over time, ranges, and drift alarms.

All of it is a function of the log, and lies in the checkpoint: after a crash it comes out the same.
Its size is bounded by the configuration's section ``insights``. docs/insights.md tells what each
figure means, by which formula it is made and where that is from.
"""
