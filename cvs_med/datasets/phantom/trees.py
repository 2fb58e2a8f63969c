"""Vessel trees: trunks leave the disc along the arcades, branches grow towards the tissue that none feeds yet.

Branches grow by space colonisation (Runions, Lane, Prusinkiewicz: "Modeling Trees with a Space Colonization
Algorithm", 2007); the calibre follows from the flow by Murray's law, so vessels thin out where they branch.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cvs_med.datasets.phantom.canvas import Point

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

STEP = 0.013
_ROOT = -1
# Distance between the points to be fed, coarse to fine: large branches first, twigs fill the gaps.
_PITCHES = (0.24, 0.14, 0.075)
# Tissue this near to a vessel, in pitches, is fed.
_FED = 0.36
_ROUNDS = 60
_INERTIA = 0.9
# A lone node carries this share of a leaf's flow, so that a vessel thins out between its branches too.
_NODE_FLOW = 0.04
_MURRAY = 2.6
_ARTERY_LEAF, _VEIN_LEAF = 0.00122, 0.00150


@dataclass(frozen=True)
class Habit:
    """How an eye's vessels grow.

    Attributes:
        calibre: factor on the width.
        density: factor on the number of branches.
    """

    calibre: float
    density: float


@dataclass(frozen=True)
class Tree:
    """A tree of vessels of one kind.

    Attributes:
        points: (N, 2) nodes in heights; a parent comes before its children.
        parents: (N,) index of the parent, -1 at a root.
        radii: (N,) half the width, in heights.
    """

    points: Points
    parents: Indices
    radii: Points


@dataclass
class _Shoots:
    """A growing tree: plain lists, because it grows."""

    points: list[Points] = field(default_factory=list)
    headings: list[Points] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def add(self, point: Points, heading: Points, parent: int) -> None:
        self.points.append(point)
        self.headings.append(heading)
        self.parents.append(parent)


def grow(rng: np.random.Generator, habit: Habit, disc: Point, fovea: Point) -> tuple[Tree, Tree]:
    """Return arteries and veins: two trees that share the tissue, so that they run between each other."""
    pitches = [pitch / float(np.sqrt(habit.density)) for pitch in _PITCHES]
    shares = [_share(rng, _tissue(rng, pitch, fovea)) for pitch in pitches]
    courses = _courses(rng)
    trees = []
    for kind, leaf in enumerate((_ARTERY_LEAF, _VEIN_LEAF)):
        needs = [(share[kind], _FED * pitch) for share, pitch in zip(shares, pitches, strict=True)]
        trees.append(_tree(rng, _trunks(rng, courses, disc, fovea), needs, leaf * habit.calibre))
    return trees[0], trees[1]


def _share(rng: np.random.Generator, tissue: Points) -> tuple[Points, Points]:
    """Divide the tissue between arteries and veins."""
    is_artery = rng.random(len(tissue)) < 0.5
    return tissue[is_artery], tissue[~is_artery]


def _tissue(rng: np.random.Generator, pitch: float, fovea: Point) -> Points:
    """Return points to be fed: a jittered grid over the field of view, none in the avascular zone of the fovea."""
    y, x = np.meshgrid(np.arange(-0.56, 0.56, pitch), np.arange(-0.76, 0.76, pitch), indexing="ij")
    points = np.stack([x, y], -1).reshape(-1, 2) + rng.uniform(-0.5, 0.5, (x.size, 2)) * pitch
    near_field = np.hypot(points[:, 0], points[:, 1]) < 0.73
    outside_fovea = np.hypot(points[:, 0] - fovea[0], points[:, 1] - fovea[1]) > rng.uniform(0.045, 0.065)
    return np.asarray(points[near_field & outside_fovea])


def _courses(rng: np.random.Generator) -> Points:
    """Return Bezier control points (trunk, 4, 2) in a frame with the disc at 0 and the fovea at (1, 0)."""
    courses = []
    for side in (-1.0, 1.0):
        height = rng.uniform(0.7, 1.1)
        arcade = [(-0.05, 0.0), (rng.uniform(-0.05, 0.3), rng.uniform(0.4, 0.7)), (rng.uniform(0.4, 0.9), height)]
        arcade += [(rng.uniform(1.9, 2.4), height * rng.uniform(0.5, 1.1))]
        upward = [(-0.05, 0.0), (-0.10, 0.35), (rng.uniform(-0.2, 0.1), 0.8), (rng.uniform(-0.3, 0.5), 1.7)]
        nasal = [(-0.05, 0.0), (-0.2, 0.15), (-0.5, rng.uniform(0.2, 0.5)), (-1.3, rng.uniform(0.4, 1.0))]
        courses += [[(x, side * y) for x, y in course] for course in (arcade, upward, nasal)]
    return np.asarray(courses)


def _trunks(rng: np.random.Generator, courses: Points, disc: Point, fovea: Point) -> list[Points]:
    """Return one tree's trunks as polylines; artery and vein of an arcade keep near each other."""
    shift = rng.normal(0, 1, courses.shape) * np.array([0.03, 0.07, 0.12, 0.20])[None, :, None]
    shift[:, 0] = shift[0, 0]
    along = np.subtract(fovea, disc)
    frame = np.array([along, [-along[1] * np.sign(along[0]), abs(along[0])]])
    trunks = [_bezier((course @ frame) + disc) for course in courses + shift]
    ends = rng.uniform(0.55, 1.0, len(trunks))
    return [trunk[: max(8, int(len(trunk) * end))] for trunk, end in zip(trunks, ends, strict=True)]


def _bezier(control: Points) -> Points:
    """Return points `STEP` apart on a cubic curve."""
    t = np.linspace(0, 1, 200)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    curve = weights @ control
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    stops = np.arange(0, length[-1], STEP)
    return np.stack([np.interp(stops, length, curve[:, axis]) for axis in (0, 1)], -1)


def _tree(rng: np.random.Generator, trunks: list[Points], needs: list[tuple[Points, float]], leaf: float) -> Tree:
    shoots = _Shoots()
    for trunk in trunks:
        for place, point in enumerate(trunk):
            heading = trunk[min(place + 1, len(trunk) - 1)] - trunk[max(place - 1, 0)]
            shoots.add(point, heading / np.hypot(*heading), len(shoots.points) - 1 if place else _ROOT)
    for tissue, fed in needs:
        _colonise(rng, shoots, tissue, fed)
    parents = np.asarray(shoots.parents, dtype=np.int64)
    flow = _flow(parents)
    main = main_child(parents, flow)
    points = _relaxed(np.stack(shoots.points), parents, main)
    return Tree(_meander(rng, points), parents, leaf * flow ** (1 / _MURRAY))


def _colonise(rng: np.random.Generator, shoots: _Shoots, tissue: Points, fed: float) -> None:
    """Let branches grow, a step a round, towards the tissue; what is reached is struck off."""
    cost = np.full(len(tissue), np.inf)
    nearest = np.zeros(len(tissue), dtype=np.int64)
    fresh = 0
    for _ in range(_ROUNDS):
        points, headings = np.stack(shoots.points[fresh:]), np.stack(shoots.headings[fresh:])
        closest, price, distance = _cheapest(points, headings, tissue)
        better = price < cost
        nearest[better], cost[better] = closest[better] + fresh, price[better]
        hungry = distance > fed
        tissue, cost, nearest = tissue[hungry], cost[hungry], nearest[hungry]
        fresh = len(shoots.points)
        if not len(tissue):
            return
        _sprout(rng, shoots, tissue, nearest)


def _cheapest(points: Points, headings: Points, tissue: Points) -> tuple[Indices, Points, Points]:
    """Return the node that feeds each tissue point best, its price, and the distance to the nearest node.

    What lies ahead of a node is cheaper than what lies beside it: branches leave at an acute angle.
    """
    gap = tissue[:, None] - points[None]
    distance = np.hypot(gap[..., 0], gap[..., 1])
    ahead = np.einsum("tnc,nc->tn", gap, headings) / np.maximum(distance, 1e-9)
    price = distance * (1.25 - 0.5 * ahead)
    closest = price.argmin(1)
    return closest, price[np.arange(len(tissue)), closest], distance.min(1)


def _sprout(rng: np.random.Generator, shoots: _Shoots, tissue: Points, nearest: Indices) -> None:
    """Add one node to every node that some tissue calls."""
    for parent in np.unique(nearest).tolist():
        pull = (tissue[nearest == parent] - shoots.points[parent]).mean(0)
        heading = pull / max(np.hypot(*pull), 1e-9) + _INERTIA * shoots.headings[parent] + rng.normal(0, 0.22, 2)
        heading = heading / max(np.hypot(*heading), 1e-9)
        shoots.add(shoots.points[parent] + STEP * heading, heading, parent)


def _flow(parents: Indices) -> Points:
    """Return the flow through every node: the number of leaves behind it, and a little for every node."""
    flow = np.full(len(parents), _NODE_FLOW)
    has_child = np.zeros(len(parents), dtype=bool)
    has_child[parents[parents != _ROOT]] = True
    flow[~has_child] = 1.0
    for node in range(len(parents) - 1, -1, -1):
        if parents[node] != _ROOT:
            flow[parents[node]] += flow[node]
    return flow


def main_child(parents: Indices, flow: Points) -> Indices:
    """Return each node's child with the largest flow, or the node itself at a leaf."""
    child = np.arange(len(parents))
    order = np.argsort(flow, kind="stable")
    order = order[parents[order] != _ROOT]
    child[parents[order]] = order
    return child


def _relaxed(points: Points, parents: Indices, main: Indices) -> Points:
    """Return the points after a few rounds of smoothing along the vessels; roots and leaves stay."""
    inner = (parents != _ROOT) & (main != np.arange(len(points)))
    for _ in range(4):
        middle = (points[parents] + points[main]) / 2
        points = np.where(inner[:, None], 0.5 * points + 0.5 * middle, points)
    return points


def _meander(rng: np.random.Generator, points: Points) -> Points:
    """Return the points displaced by a sum of gentle waves: no vessel is a ruler's line."""
    moved = points.copy()
    for _ in range(6):
        pace = rng.uniform(10, 36)
        wave = pace * np.array([np.cos(turn := rng.uniform(0, 2 * np.pi)), np.sin(turn)])
        moved += np.sin(points @ wave + rng.uniform(0, 2 * np.pi))[:, None] * rng.normal(0, 0.045, 2) / pace
    return moved
