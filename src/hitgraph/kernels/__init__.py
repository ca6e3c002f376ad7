"""What the fast CPU kernels of several stages share; imports nothing else of hitgraph."""
