"""A device with a good certificate that sends what it may not, and what nobody can read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from borough.settings import Listen

FOREIGN = "@update/5a1fb1ac-f9c6-4c2e-a5a0-3a8c1d6ad3c0/meter/sound/level"
NOISE = b"noise"
_ANSWER_S = 10.0


def intrude(api: httpx.Client, mqtts: Listen, folder: Path) -> str:
    """Enrol a device and have it publish on a foreign topic and noise on its own; returns it."""
    uuid: str = api.post("/endpoints", params={"friendlyName": "Noise meter"}).json()["uuid"]
    token = api.post(f"/endpoints/{uuid}/provisionToken").text
    bundle = api.get(f"/provision/{token}", headers={"Accept": "application/zip"}).content
    zipfile.ZipFile(io.BytesIO(bundle)).extractall(folder)
    device = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=uuid)
    device.tls_set(
        str(folder / "ca-cert.pem"),
        str(folder / f"{uuid}-client-cert.pem"),
        str(folder / f"{uuid}-private-key.pem"),
    )
    device.connect(mqtts.host, mqtts.port)
    device.loop_start()
    for topic in (FOREIGN, f"@update/{uuid}/meter/sound/level"):
        sent = device.publish(topic, NOISE, qos=1)
        sent.wait_for_publish(_ANSWER_S)
        assert sent.is_published(), f"no PUBACK for {topic}"
    device.disconnect()
    device.loop_stop()
    return uuid
