"""Convolutions of our own for one CPU thread: quicker than XLA's on small maps, and in a loop as quick as outside.

XLA:CPU copies every window before it multiplies, which at 16 channels takes as long as the product, and inside a loop
it runs gradients of a convolution as scalar code. `convolution.cc` reads windows in place. It is compiled once a
machine, by the system's C++ compiler and for this very processor, into a folder of the cache.
"""

from cnnlab.zoo.native.convolution import convolve
from cnnlab.zoo.native.library import LibraryError, build, compiler, use, used

__all__ = ["LibraryError", "build", "compiler", "convolve", "use", "used"]
