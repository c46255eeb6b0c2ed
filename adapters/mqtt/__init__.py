"""MQTT: a client on a broker that is there already, in the shape of Zigbee2MQTT or any other."""
