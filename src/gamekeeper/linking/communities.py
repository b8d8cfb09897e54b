"""Leiden communities of a weighted graph, the same for the same graph."""

import random

import numpy as np


def communities(
    nodes: int, a: np.ndarray, b: np.ndarray, weights: np.ndarray, *, resolution: float
) -> np.ndarray:
    """Returns the community number of each node, shape (nodes,).

    Args:
        nodes: Number of nodes.
        a: One end of each edge.
        b: The other end.
        weights: Positive weight of each edge.
        resolution: Above 1 gives smaller communities.

    Source: Traag, Waltman and van Eck, From Louvain to Leiden, Scientific Reports 2019; modularity
        objective.
    """
    import igraph

    # Leiden visits nodes at random: same seed, same answer
    igraph.set_random_number_generator(random.Random(0))
    graph = igraph.Graph(n=nodes, edges=np.stack([a, b], axis=1))
    found = graph.community_leiden(
        "modularity", weights=weights, resolution=resolution, n_iterations=4
    )
    return np.asarray(found.membership)
