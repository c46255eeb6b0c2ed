"""How commands travel: to devices by MQTT, to the field role and from other roles by NATS."""
