"""From the bytes of a file to what stands out in its table."""
