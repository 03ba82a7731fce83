"""Signing in by another house's door: OpenID Connect, its code flow with PKCE.

What the provider says of somebody is believed once its signature, issuer, audience, time and nonce fit
(OpenID Connect Core 1.0, 3.1.3.7; RFC 7636; RFC 9207). Who that is at this desk is for ``identities``.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from payments.errors import Conflict, InvalidInput, NotAllowed, quoted

#: Signatures by a key that only the provider has. HMAC is none: whoever knows our secret could sign.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
_WAIT_S = (5, 10)
_LEEWAY_S = 60
_REMEMBERED = timedelta(hours=1)
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class Registered:
    """This desk, as the provider knows it, and the provider, as this desk does."""

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Going:
    """What a browser takes along and must bring back, so that nobody else's sign-in ends in it."""

    state: str
    nonce: str
    verifier: str
    wanted: str

    @classmethod
    def anew(cls, wanted: str) -> "Going":
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), wanted)


@dataclass(frozen=True)
class Arrival:
    """Whom the provider says it is. ``claims`` is all it said, signed."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]

    @property
    def proven_email(self) -> str:
        """Their address, if the provider says that it is theirs; else nothing."""
        email = self.claims.get("email")
        return email if isinstance(email, str) and self.claims.get("email_verified") is True else ""

    @property
    def name(self) -> str:
        name = self.claims.get("name")
        return name if isinstance(name, str) else ""

    def values(self, claim: str) -> tuple[str, ...]:
        """What a claim holds: a list, or words with spaces or commas between."""
        said = self.claims.get(claim)
        if isinstance(said, str):
            return tuple(said.replace(",", " ").split())
        return tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()


class Provider:
    """Where people sign in. Its own description is asked for once an hour, its keys at each sign-in."""

    def __init__(self, registered: Registered) -> None:
        self.registered = registered
        self._described: tuple[datetime, dict[str, Any]] | None = None

    def begin(self, back: str, going: Going, *, now: datetime) -> str:
        """The address to send a browser to; it comes back to ``back``. Raises Conflict when it is away."""
        there = self._description(now)
        with self._client(back) as client:
            url, _ = client.create_authorization_url(
                there["authorization_endpoint"],
                state=going.state,
                nonce=going.nonce,
                code_verifier=going.verifier,
            )
        return str(url)

    def finish(self, back: str, going: Going, answer: Mapping[str, str], *, now: datetime) -> Arrival:
        """Whom the provider sent back. Raises NotAllowed (none of ours, or it said no), Conflict (away)."""
        name = self.registered.name
        if not secrets.compare_digest(answer.get("state", "").encode(), going.state.encode()):
            raise NotAllowed("This answer belongs to another sign-in. Begin again.")
        if answer.get("iss", self.registered.issuer) != self.registered.issuer:
            raise NotAllowed(f"This answer is not from {name}. Begin again.")
        if "code" not in answer:
            raise NotAllowed(f"{name} did not sign you in. Try again, or ask whoever runs it.")
        return self._arrival(self._token(back, going, answer["code"], now), going, now)

    # -- inside -------------------------------------------------------------------------------------

    def _client(self, back: str) -> OAuth2Session:
        return OAuth2Session(
            self.registered.client_id,
            self.registered.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self.registered.client_secret else "none",
            scope="openid email profile",
            redirect_uri=back,
            code_challenge_method="S256",
            default_timeout=_WAIT_S,
        )

    def _token(self, back: str, going: Going, code: str, now: datetime) -> str:
        there = self._description(now)
        try:
            with self._client(back) as client:
                client.max_redirects = 0
                answer = client.fetch_token(
                    there["token_endpoint"], code=code, code_verifier=going.verifier, timeout=_WAIT_S
                )
        except requests.RequestException as error:
            raise self._away() from error
        except AuthlibBaseError as error:  # a code that was used, is old, or is made up
            raise NotAllowed(f"{self.registered.name} did not confirm this sign-in. Begin again.") from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise self._odd("it sent no ID token")
        return token

    def _arrival(self, token: str, going: Going, now: datetime) -> Arrival:
        ours, client_id = self.registered.issuer, self.registered.client_id
        expected = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": ours},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": going.nonce},
        )
        try:
            keys = KeySet.import_key_set(cast("KeySetSerialization", self._keys(now)))
            claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
            expected.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NotAllowed(
                f"What {self.registered.name} sent could not be verified. Begin again; if it stays, an admin "
                f"compares the settings OIDC_ISSUER and OIDC_CLIENT_ID with it."
            ) from error
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client_id:
            raise NotAllowed(f"What {self.registered.name} sent is for another application. Begin again.")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise self._odd("it names nobody")
        return Arrival(ours, claims["sub"], claims)

    def _description(self, now: datetime) -> dict[str, Any]:
        kept = self._described
        if kept is not None and abs(now - kept[0]) < _REMEMBERED:
            return kept[1]
        issuer = self.registered.issuer
        said = self._asked(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            raise self._odd(
                f"it calls itself {quoted(said.get('issuer'))}, and OIDC_ISSUER is {quoted(issuer)}"
            )
        for one in _NEEDED:
            if not isinstance(said.get(one), str) or (
                issuer.startswith("https:") > said[one].startswith("https:")
            ):
                raise self._odd(f"its {one} is no https address")
        self._described = now, said
        return said

    def _asked(self, url: str) -> dict[str, Any]:
        try:
            answer = requests.get(url, timeout=_WAIT_S, allow_redirects=False)
        except requests.RequestException as error:
            raise self._away() from error
        if answer.status_code != 200:
            raise self._away()
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise self._odd("what it sent is no JSON object")
        return said

    def _keys(self, now: datetime) -> dict[str, Any]:
        return self._asked(self._description(now)["jwks_uri"])

    def _away(self) -> Conflict:
        return Conflict(
            f"{self.registered.name} does not answer. Try again in a minute, or sign in with a password."
        )

    def _odd(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self.registered.name} cannot be used: {what}. Tell an admin.")
