"""The page: what its views are made from, the views, and how they become one file."""
