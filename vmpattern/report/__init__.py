"""What people read: plans, outcomes, statuses and images as text for a terminal. Values in, renderables out."""
