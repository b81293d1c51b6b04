"""From a folder with a FastAPI app to a running, verified, watched Hugging Face Docker Space."""
