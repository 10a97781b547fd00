"""What is written down between two runs: conveniences, never what an instance depends on."""
