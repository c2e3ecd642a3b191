"""Claims of the notes on convolution with strides, one file each; the path is the id."""
