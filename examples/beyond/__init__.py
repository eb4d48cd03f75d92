"""Beyond one machine: the same five counts, over the network and on a cluster."""
