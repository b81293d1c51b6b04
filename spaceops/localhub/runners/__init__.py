"""What turns a pushed commit into a running app."""
