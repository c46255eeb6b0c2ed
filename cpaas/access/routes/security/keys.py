"""Encryption as a service: named keys of projects, used without ever being seen."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from cpaas.access.answers.documents import as_json, rfc3339
from cpaas.access.caller import AppWriter, Caller, Configurer, Reader
from cpaas.access.problems import Problem, not_found
from cpaas.access.routes.security.key_rights import key_level, key_path, known_keys
from security.aaa.levels import Level
from security.encryption.named.named_keys import NAME_FORM, KeyAtRest, KeyUseRefused, Used
from security.encryption.named.ports import NamedKey, Use
from security.limits import KEY_CONTEXT_CHARS_MAX, KEY_INPUT_BYTES_MAX
from security.ports import Grant

router = APIRouter(prefix="/keys", tags=["keys"])

_RESERVED = ("ring", "rotate")
_BASE64_CHARS_MAX = -(-KEY_INPUT_BYTES_MAX // 3) * 4
_OUTPUT_CHARS_MAX = _BASE64_CHARS_MAX + 256
"""What an encrypted text of the longest input takes, with name, version, salt, nonce and tag."""

Base64 = Annotated[str, StringConstraints(max_length=_BASE64_CHARS_MAX)]
Context = Annotated[str, StringConstraints(max_length=KEY_CONTEXT_CHARS_MAX)]


class _Body(BaseModel):
    model_config = {"extra": "forbid"}


class NewKey(_Body):
    """A key."""

    name: str = Field(pattern=f"^{NAME_FORM}$")
    use: Use


class KeyState(_Body):
    """Whether a key serves."""

    disabled: bool


class Plaintext(_Body):
    """What to encrypt."""

    plaintext: Base64 = Field(description="base64")
    context: Context = Field("", description="what it belongs to; needed again to decrypt")


class Ciphertext(_Body):
    """What to decrypt."""

    ciphertext: Annotated[str, StringConstraints(max_length=_OUTPUT_CHARS_MAX)]
    context: Context = ""


class Message(_Body):
    """What to sign."""

    message: Base64 = Field(description="base64")


class SignedMessage(Message):
    """What was signed, and by what."""

    signature: Annotated[str, StringConstraints(max_length=_OUTPUT_CHARS_MAX)]


class KeyVersionEntry(BaseModel):
    """One version of a key."""

    version: int
    made_at: str
    public: str | None = Field(description="base64 of the Ed25519 public key; signing keys alone")


class KeyEntry(BaseModel):
    """A named key, without anything secret."""

    name: str
    project: str
    use: Use
    disabled: bool
    created_at: str
    permission: str
    versions: list[KeyVersionEntry]


class Encrypted(BaseModel):
    """An encrypted text, which names its key and version."""

    ciphertext: str
    version: int


class Decrypted(BaseModel):
    """What was encrypted."""

    plaintext: str
    version: int


class Signed(BaseModel):
    """A signature, which names its key and version."""

    signature: str
    version: int


class Verified(BaseModel):
    """Whether a signature is of this message and key."""

    valid: bool
    version: int


@router.get("", response_model=list[KeyEntry])
def listed(caller: Reader, project: str | None = None) -> Response:
    """List the keys of which the caller may know."""
    projects = caller.projects(Level.ACCESS)
    if project is not None:
        projects = [caller.project(project, Level.ACCESS)]
    names = {found.id: found.name for found in projects}
    found = caller.city.keys.named.keys(list(names))
    held = [(key, key_level(caller, key.project, key.name)) for key in found]
    return as_json(
        [_entry(key, names[key.project], level) for key, level in held if level >= Level.BROWSE]
    )


@router.post("", response_model=KeyEntry, status_code=HTTPStatus.CREATED)
def create(body: NewKey, caller: Configurer, project: str | None = None) -> Response:
    """Make a key in a project; who makes it owns it."""
    owner = caller.project(project, Level.CONFIGURE)
    if body.name in _RESERVED:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"no key can be named {body.name!r}")
    caller.tell(key=body.name, project=owner.name, use=body.use.value)
    key = caller.city.keys.named.create(owner.id, body.name, body.use, caller.user)
    caller.city.grants.put_grant(Grant(caller.user, key_path(owner.id, key.name), Level.OWN))
    caller.city.refresh_rights()
    return as_json(_entry(key, owner.name, Level.OWN), HTTPStatus.CREATED)


@router.get("/{name}", response_model=KeyEntry)
def one(name: str, caller: Reader, project: str | None = None) -> Response:
    """Return a key: its versions, and the public half of each when it signs."""
    return _answer(caller, _key(caller, name, project, Level.BROWSE))


@router.post("/{name}/rotate", response_model=KeyEntry)
def rotate(name: str, caller: Configurer, project: str | None = None) -> Response:
    """Make a new version, which encrypts and signs from now on; earlier ones go on to read."""
    key = _key(caller, name, project, Level.CONFIGURE)
    fresh = caller.city.keys.named.rotate(key)
    caller.tell(version=fresh.current.number)
    return _answer(caller, fresh)


@router.patch("/{name}", response_model=KeyEntry)
def change(name: str, body: KeyState, caller: Configurer, project: str | None = None) -> Response:
    """Have a key refuse every use, or serve again."""
    key = _key(caller, name, project, Level.CONFIGURE)
    caller.tell(disabled=body.disabled)
    return _answer(caller, caller.city.keys.named.disable(key, body.disabled))


@router.post("/{name}/encrypt", response_model=Encrypted)
def encrypt(name: str, body: Plaintext, caller: AppWriter, project: str | None = None) -> Response:
    """Encrypt with the newest version."""
    key = _key(caller, name, project, Level.WRITE)
    clear = _bytes(body.plaintext, "plaintext")
    used = _use(caller, lambda: caller.city.keys.named.encrypt(key, clear, body.context))
    return as_json({"ciphertext": used.output.decode(), "version": used.version})


@router.post("/{name}/decrypt", response_model=Decrypted)
def decrypt(name: str, body: Ciphertext, caller: Reader, project: str | None = None) -> Response:
    """Decrypt what any version of the key encrypted with the same context."""
    key = _key(caller, name, project, Level.READ)
    used = _use(caller, lambda: caller.city.keys.named.decrypt(key, body.ciphertext, body.context))
    clear = base64.b64encode(used.output).decode()
    return as_json({"plaintext": clear, "version": used.version})


@router.post("/{name}/sign", response_model=Signed)
def sign(name: str, body: Message, caller: AppWriter, project: str | None = None) -> Response:
    """Sign with the newest version."""
    key = _key(caller, name, project, Level.WRITE)
    message = _bytes(body.message, "message")
    used = _use(caller, lambda: caller.city.keys.named.sign(key, message))
    return as_json({"signature": used.output.decode(), "version": used.version})


@router.post("/{name}/verify", response_model=Verified)
def verify(name: str, body: SignedMessage, caller: Reader, project: str | None = None) -> Response:
    """Tell whether any version of the key signed this message."""
    key = _key(caller, name, project, Level.BROWSE)
    message = _bytes(body.message, "message")

    def verified() -> Used:
        valid, version = caller.city.keys.named.verify(key, message, body.signature)
        return Used(b"1" if valid else b"", version)

    used = _use(caller, verified)
    return as_json({"valid": bool(used.output), "version": used.version})


def _key(caller: Caller, name: str, project: str | None, need: Level) -> NamedKey:
    """Return the key of a name on which the caller holds a level, and have the record name it.

    Raises:
        Problem: 404 when there is none that the caller may know, 403 below ``need``, 422 when
            several projects have one.
    """
    found = known_keys(caller, name, project)
    if not found:
        raise not_found()
    if len(found) > 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name the project with ?project=…")
    key, level = found[0]
    caller.tell(key=key.name, key_project=key.project)
    if not level.includes(need):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"this needs the level {need.name} on the key {name}; you hold {level.name}: ask who "
            "holds GRANT on it",
        )
    return key


def _use(caller: Caller, use: Callable[[], Used]) -> Used:
    try:
        used = use()
    except KeyAtRest as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    except KeyUseRefused as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    caller.tell(version=used.version)
    return used


def _bytes(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is no base64") from None


def _answer(caller: Caller, key: NamedKey) -> Response:
    names = {p.id: p.name for p in caller.projects(Level.ACCESS)}
    return as_json(_entry(key, names[key.project], key_level(caller, key.project, key.name)))


def _entry(key: NamedKey, project: str, level: Level) -> dict[str, Any]:
    return {
        "name": key.name,
        "project": project,
        "use": key.use.value,
        "disabled": key.disabled,
        "created_at": rfc3339(key.created_at),
        "permission": level.name,
        "versions": [
            {"version": v.number, "made_at": rfc3339(v.made_at), "public": v.public}
            for v in key.versions
        ],
    }
