"""From the command line to frozen specs: schema, resolution and the pre-flight over every point of a grid."""
