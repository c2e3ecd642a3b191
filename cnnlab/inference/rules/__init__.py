"""The rules, one file each: a rule is data, and its two methods turn evidence into a verdict."""
