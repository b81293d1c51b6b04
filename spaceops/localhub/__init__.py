"""The local Hub: a server that speaks the Hub's wire protocol and really builds and runs what is pushed to it."""
