"""What `make bench` runs: our speed and memory beside the naive server's, in one run."""
