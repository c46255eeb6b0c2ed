"""Streets of the quarter, inside longitude 24.935 to 24.953 and latitude 60.164 to 60.179."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, pairwise
from math import cos, hypot, radians

STREETS: dict[str, tuple[tuple[float, float], ...]] = {
    "Aleksanterinkatu": ((24.9412, 60.1687), (24.9465, 60.1690), (24.9518, 60.1692)),
    "Bulevardi": ((24.9421, 60.1656), (24.9390, 60.1648), (24.9358, 60.1641)),
    "Etelaesplanadi": ((24.9452, 60.1670), (24.9521, 60.1672)),
    "Kaisaniemenkatu": ((24.9447, 60.1709), (24.9490, 60.1737)),
    "Kaivokatu": ((24.9390, 60.1702), (24.9442, 60.1706)),
    "Keskuskatu": ((24.9425, 60.1685), (24.9421, 60.1703)),
    "Kluuvikatu": ((24.9471, 60.1682), (24.9479, 60.1706)),
    "Mannerheimintie": ((24.9436, 60.1665), (24.9408, 60.1687), (24.9366, 60.1722)),
    "Mikonkatu": ((24.9453, 60.1682), (24.9464, 60.1713)),
    "Pohjoisesplanadi": ((24.9446, 60.1676), (24.9526, 60.1680)),
    "Rautatientori": ((24.9427, 60.1714), (24.9446, 60.1717)),
    "Toolonlahdenkatu": ((24.9377, 60.1728), (24.9364, 60.1757)),
    "Unioninkatu": ((24.9497, 60.1668), (24.9507, 60.1708), (24.9513, 60.1748)),
    "Yrjonkatu": ((24.9423, 60.1652), (24.9375, 60.1693)),
}
"""Centre lines as longitude and latitude, to some ten metres; names without accents."""


def along(street: str, share: float) -> tuple[float, float]:
    """Return the longitude and latitude at a share, 0 to 1, of a street's length."""
    line = STREETS[street]
    shrink = cos(radians(line[0][1]))
    steps = [hypot((b[0] - a[0]) * shrink, b[1] - a[1]) for a, b in pairwise(line)]
    reached = list(accumulate(steps, initial=0.0))
    at = min(max(share, 0.0), 1.0) * reached[-1]
    leg = min(bisect_right(reached, at), len(steps)) - 1
    part = (at - reached[leg]) / steps[leg]
    (lon, lat), (lon_to, lat_to) = line[leg], line[leg + 1]
    return round(lon + part * (lon_to - lon), 6), round(lat + part * (lat_to - lat), 6)
