"""What the laws are proven with: random schedules, a world that they happen in, and an auditor who watches it."""
