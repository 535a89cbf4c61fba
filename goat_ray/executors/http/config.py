"""Configuration of the http executor: which hosts may be called, and how."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from goat_ray.settings import Settings, VariableName, is_http_address

Method = Annotated[str, AfterValidator(str.upper)]
"""An HTTP method, however it is written."""


class ApiKeyAuth(Settings):
    """A key in a header, the query or a cookie; the document says where, unless this does."""

    type: Literal["api_key"] = "api_key"
    env: VariableName = Field(description="Environment variable that holds the key.")
    location: Literal["header", "query", "cookie"] | None = None
    name: str | None = None


class BearerAuth(Settings):
    """``Authorization: Bearer`` with a token that somebody else got."""

    type: Literal["bearer"] = "bearer"
    env: VariableName = Field(description="Environment variable that holds the token.")


class BasicAuth(Settings):
    """User name and password (RFC 7617)."""

    type: Literal["basic"] = "basic"
    user_env: VariableName
    password_env: VariableName


class OAuth2Auth(Settings):
    """OAuth 2 client credentials (RFC 6749, section 4.4). Its token host is trusted because it stands here."""

    type: Literal["oauth2"] = "oauth2"
    token_url: str
    client_id_env: VariableName
    client_secret_env: VariableName
    scope: str = ""
    client_auth: Literal["basic", "post"] = Field(
        "basic", description="How id and secret go to the token server: in a header, or in the form as some want it."
    )


Auth = Annotated[ApiKeyAuth | BearerAuth | BasicAuth | OAuth2Auth, Field(discriminator="type")]


def _listed(auth: Any) -> Any:
    return [] if auth is None else auth if isinstance(auth, list) else [auth]


class LimitsConfig(Settings):
    """How much of a host the whole cluster may use at a time, and when it gives up on it."""

    rate_per_s: float | None = Field(None, gt=0, description="Requests per second; as many may come in one burst.")
    concurrency: int = Field(16, ge=1, description="Requests at a time.")
    failures: int = Field(
        10,
        ge=1,
        description="So many failures in a row open the circuit breaker: no answer, 502 to 504, 500 to several "
        "functions, and 429, of which those of one second or one Retry-After count once.",
    )
    cool_down_s: float = Field(
        30.0,
        gt=0,
        description="Then nothing is sent for so long. Calls wait for the one request after it; if that fails as "
        "well, they fail at once until a later one succeeds.",
    )

    def limits(self) -> "LimitsConfig":
        """The limits alone, for those who have no use for the rest."""
        return LimitsConfig(**self.model_dump(include=set(LimitsConfig.model_fields)))


class HostConfig(LimitsConfig):
    """One host that may be called."""

    host: str = Field(description="Name as in the documents; with its port unless that is 80 or 443.")
    services: list[str] = Field([], description="Services whose documents name no server; they are called here.")
    server: str | None = Field(
        None, description="Base URL to call instead of the documents', e.g. of a staging system."
    )
    auth: Annotated[list[Auth], BeforeValidator(_listed)] = Field(
        [], description="One way to authenticate, or several to be met together, such as an id and a key."
    )
    allow_private: bool = Field(False, description="Whether its addresses may be private, loopback or link-local.")

    @model_validator(mode="after")
    def _server_is_a_url(self) -> Self:
        for url in (self.server, *(auth.token_url for auth in self.auth if isinstance(auth, OAuth2Auth))):
            if url is not None and not is_http_address(url):
                raise ValueError("server and token_url start with http:// or https:// and name a host")
        return self


class CallingConfig(Settings):
    """How requests are sent, whatever they ask."""

    timeout_s: float = Field(20.0, gt=0, description="For connecting, and for each wait for bytes.")
    deadline_s: float = Field(60.0, gt=0, description="For a call with all its retries and redirects.")
    retries: int = Field(3, ge=0, description="Of calls that are safe to repeat.")
    backoff_s: float = Field(0.5, ge=0, description="Before the first retry; doubles with each, and is jittered.")
    max_response_bytes: int = Field(2_000_000, ge=1, description="Larger responses are failures; also unpacked.")
    max_redirects: int = Field(3, ge=0)


class HttpConfig(CallingConfig):
    """The ``executor.http`` section."""

    hosts: list[HostConfig] = Field([], description="Nothing else is called.")
    allow_methods: list[Method] = Field(["GET", "HEAD"], description="Others are refused.")

    @model_validator(mode="after")
    def _hosts_are_distinct(self) -> Self:
        names = [host.host.lower() for host in self.hosts]
        if len(set(names)) < len(names):
            raise ValueError("a host is named twice")
        return self
