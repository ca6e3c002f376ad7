"""What the fast CPU kernels of several stages share; imports nothing else of hitgraph."""

from hitgraph.kernels import fork as fork
from hitgraph.kernels.cache import make_sure_of_a_cache

make_sure_of_a_cache()
