"""What of its input a person can change: who gains by it, what to change, and why."""
