"""How a model of the Hub is found, made ready and run."""
