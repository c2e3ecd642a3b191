"""The surveys: a list of architectures frozen before anything was counted, and what was counted on it.

`architectures.csv` holds one line an architecture, one vote each. It was made by going through the model files of two
public libraries (torchvision 0.28.0, timm 1.0.31) and the papers that these files cite, and keeping EVERY paper that

    introduces a convolutional network (not only a layer, a normalisation, a way to train, to prune or to distil, or a
    module for another network) and gives it a name of its own;
    reports or ships it as a classifier of the 1000 classes of ImageNet;
    was first public no later than 2020, the date of the notes;
    mixes pixels by convolution and pooling alone: no self-attention, and no kernels computed from the input;

and whose network one of the two libraries implements as the paper gives it: from torchvision where it does (and where
it has the paper's first model), else from timm. Of the sizes that the paper or its authors published and the library
has, the one that votes is

    1. the unscaled net (multiplier 1.0, B0) where sizes are made by a width, resolution or compound multiplier;
    2. else the 50-layer net where there is one;
    3. else the one whose multiply-accumulates are nearest to ResNet-50's 4.1 G.

So sizes were chosen without a look at kernels, strides, widths or maps. Papers that revise an earlier net (ResNet-v2,
ResNet-D, SE-ResNet, Res2Net, ...) vote as well: votes are of published designs, not of independent inventions, and a
Wilson interval, which takes them for independent, is therefore too narrow rather than too wide. Columns:

    name     of the architecture, with the size that votes
    year     in which the paper was first public
    paper    its title
    source   where it can be read
    library, model   the implementation that is read; weights are never loaded
    differs  how that implementation differs from the paper in what is counted, or empty
"""
