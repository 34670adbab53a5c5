"""What can go wrong, done to a real node and a real daemon, one row of the table of faults a test."""
