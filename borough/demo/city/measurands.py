"""What is measured in the quarter: one class, one unit and one believable range each.

Things that are counted stand in braces, as UCUM writes them.
"""

from __future__ import annotations

from borough.demo.city.thing import Measurand

PERSONS = Measurand("PedestrianFlow", "persons per hour", "{person}/h", (0, 10_000))
VEHICLES = Measurand("TrafficFlow", "vehicles per hour", "1/h", (0, 8_000))
OCCUPANCY = Measurand("LaneOccupancy", "share of time covered", "1", (0, 1))
SOUND = Measurand("SoundLevel", "equivalent sound level", "dB(A)", (20, 130))
ROOM_TEMPERATURE = Measurand("RoomTemperature", "air temperature", "degC", (-10, 45), 0.5)
ROOM_HUMIDITY = Measurand("RoomHumidity", "relative humidity", "%", (5, 100))
DUST = Measurand("FineDust", "PM2.5 concentration", "ug/m**3", (0, 500))
AIR_TEMPERATURE = Measurand("AirTemperature", "air temperature", "degC", (-45, 45), 0.5)
AIR_PRESSURE = Measurand("AirPressure", "air pressure", "hPa", (900, 1_080))
AIR_HUMIDITY = Measurand("AirHumidity", "relative humidity", "%", (0, 100))
RAIN = Measurand("RainRate", "rain rate", "mm/h", (0, 50))
WIND = Measurand("WindSpeed", "wind speed", "m/s", (0, 60))
RADIATION = Measurand("GlobalRadiation", "global radiation", "W/m**2", (0, 1_400))
FLOW = Measurand("WaterFlow", "volume flow", "l/s", (50, 150))
LAMP_LEVEL = Measurand("LampLevel", "light level", "%", (0, 100))
LAMP_POWER = Measurand("LampPower", "active power", "W", (0, 10_000))
LAMP_ENERGY = Measurand(
    "LampEnergy", "energy, counted", "kWh", (0, 10_000_000), source_unit="Wh", factor=0.001
)
VACANT = Measurand("VacantSpaces", "parking spaces, vacant", "{space}", (0, 5_000))
OCCUPIED = Measurand("OccupiedSpaces", "parking spaces, occupied", "{space}", (0, 5_000))
BIKES = Measurand("AvailableBikes", "bikes to rent", "{bike}", (0, 100))
DOCKS = Measurand("AvailableDocks", "docks without a bike", "{dock}", (0, 100))
FILL = Measurand("FillLevel", "share of a bin that is full", "%", (0, 100))
BATTERY = Measurand("BatteryCharge", "charge of a battery", "%", (0, 100))
