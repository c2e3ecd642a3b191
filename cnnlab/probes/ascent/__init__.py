"""Feature visualisation: pictures that make a unit of a net respond, and gates that say when one is worth showing.

After Distill's "Feature Visualization" (Olah et al. 2017) and MaCo (Fel et al. 2023), in JAX and for small images.
A picture is made of an objective (`objective`), a way to write an image as numbers (`parametrise`), random moves
between steps (`move`) and a loop of Adam steps (`ascend`). `gate` says which pictures are refused, and why.
"""
