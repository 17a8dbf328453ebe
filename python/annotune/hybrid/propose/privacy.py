"""Nothing is sent anywhere that was not named: hosts, and the keys to them."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from annotune.errors import AnnotuneError, listing
from annotune.extras import require

OPENAI = "https://api.openai.com/v1"
OWN_KEY = {"api.openai.com": "OPENAI_API_KEY"}
KEYRING = "keyring:"
HIDDEN = "[key]"


def host_of(endpoint: str) -> str:
    """The host of an endpoint's address.

    >>> host_of("http://localhost:8000/v1"), host_of("https://API.openai.com/v1")
    ('localhost', 'api.openai.com')

    Raises
    ------
    AnnotuneError
        Where it is no address of the web, or has a password in it.
    """
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise AnnotuneError(f"endpoint={endpoint!r} is no address.", "Give one such as http://localhost:8000/v1.")
    if parts.username or parts.password:
        what = f"The address of {host} has a user or a password in it, which would be kept in the store."
        raise AnnotuneError(what, "Leave it out, and name the variable with the key with key=.")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name alone: what a name server says does not count.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "example.org", "10.0.0.1")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_allowed(host: str, allow_upload: str | Sequence[str], model: str) -> None:
    """Stop where texts would leave the machine for a host that was not named; a mistyped path is a model's name, too.

    Raises
    ------
    AnnotuneError
        Naming the host, and how to allow it.
    """
    allowed = [allow_upload] if isinstance(allow_upload, str) else list(allow_upload)
    if is_loopback(host) or host in (name.lower() for name in allowed):
        return
    others = f" (allowed: {listing(allowed)})" if allowed else ""
    what = f"The texts would be sent to {host}, which was not allowed{others}."
    path = f"If {model!r} is meant as a path of yours, no saved model and no dictionary is there."
    raise AnnotuneError(what, f"{path} If they may leave this machine for there, add allow_upload={host!r}.")


def read_key(key: str | None, host: str) -> str:
    """The key to an endpoint, from the environment or the keyring; empty for this machine without one.

    Parameters
    ----------
    key
        The name of an environment variable, or `keyring:service/user`; by default OPENAI_API_KEY for OpenAI's own host,
        and none on this machine. A key goes to the host that it was named for, and never to another.

    Raises
    ------
    AnnotuneError
        Where there is no key, or `key` looks like one itself; what it holds is never said.
    """
    name = key or OWN_KEY.get(host)
    if name is None:
        if is_loopback(host):
            return ""
        what = f"It is not said where the key to {host} is."
        raise AnnotuneError(
            what, "Name the environment variable that holds it with key=, or key='keyring:service/user'."
        )
    if name.startswith(KEYRING):
        return _from_keyring(name.removeprefix(KEYRING))
    if not name.replace("_", "a").isalnum() or not name.isascii() or (len(name) > 40 and name not in os.environ):
        what = "key= is the name of an environment variable, or keyring:service/user, and this is neither."
        raise AnnotuneError(what, "Put the key itself into the environment, never into a call or a file.")
    value = os.environ.get(name, "").strip()
    if not value:
        shown = name if name.isupper() else "that key= names"
        raise AnnotuneError(f"The environment variable {shown} is empty or not there.", "Put the key into it.")
    return value


def _from_keyring(place: str) -> str:
    service, slash, user = place.rpartition("/")
    if not slash or not service or not user:
        raise AnnotuneError("key='keyring:...' names no service and user.", "Write keyring:service/user.")
    keyring = require("keyring", "Keys in the keyring need", ", or name an environment variable")
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # each system's keyring has its own
        what = f"The keyring cannot be read: {type(error).__name__}."
        raise AnnotuneError(what, "Unlock it, or name an environment variable.") from None
    if not value:
        raise AnnotuneError(f"The keyring has no key for {service}/{user}.", f"Run: keyring set {service} {user}.")
    return str(value)


def hidden(text: str, key: str) -> str:
    """A text without the key, whole or in the part that a refusal quotes.

    >>> hidden("Incorrect API key provided: sk-abcdefgh12345678", "sk-abcdefgh12345678")
    'Incorrect API key provided: [key]'
    """
    return text.replace(key, HIDDEN) if key else text
