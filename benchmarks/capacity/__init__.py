"""What twenty million decisions a second take: on paper, and simulated under failures."""
