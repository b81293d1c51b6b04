"""What answers each call, a module per subject: from the wire to the parts of the server and back, without state."""
