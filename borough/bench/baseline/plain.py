"""A broker that lets devices in without TLS and without asking anyone: what security costs."""

from __future__ import annotations

import json
import secrets
import textwrap
from dataclasses import dataclass, field

from ciaas.computing.broker.configuration import CITY, BrokerConfiguration


@dataclass(frozen=True, slots=True)
class PlainConfiguration(BrokerConfiguration):
    """The platform's configuration but for who may connect by MQTT: everyone, as one user."""

    _password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def _mqtt(self) -> str:
        return textwrap.dedent(f"""\
            mqtt {{
              listen: {json.dumps(str(self.mqtts))}
              no_auth_user: anyone
            }}
            """)

    def _accounts(self) -> str:
        user = (
            f"{{ user: anyone, password: {json.dumps(self._password)}, "
            'allowed_connection_types: ["MQTT"] }'
        )
        return textwrap.dedent(f"""\
            accounts {{
              {CITY} {{
                jetstream: enabled
                users: [
                  {{ nkey: {self.keys.core}, allowed_connection_types: ["STANDARD"] }}
                  {user}
                ]
              }}
            }}
            """)
