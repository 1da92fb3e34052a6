"""A real OpenID Connect provider (django-oauth-toolkit, from the locked requirements) with accounts of its own.

python -m tests.oidc_provider JSON: `port`, `folder`, `console` (its address), `accounts` (groups by name).
"""

import json
import sys

from tests.conftest import Server
from tests.ports import free_port

CLIENT, SECRET = "fenceline", "secret-of-the-console"
PASSWORD = "correct horse battery staple"


class Provider(Server):
    """A provider at `issuer`, that knows the console at an address. `accounts`: by name, their groups."""

    def __init__(self, folder, console, accounts):
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}/o"
        given = {"port": self.port, "folder": str(folder), "console": console, "accounts": accounts}
        command = [sys.executable, "-m", "tests.oidc_provider", json.dumps(given)]
        super().__init__(command, self.port, folder / "provider.log")


def serve(port, folder, console, accounts):
    import django
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from django.conf import settings

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=Urls,
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/provider.db"}},
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions")),
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        # The tables as they are now, at once: going through years of migrations takes seconds.
        MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "oauth2_provider")),
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGIN_URL="/login",
        SESSION_COOKIE_NAME="provider",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": pem,
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
            "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "who", "profile": "name", "groups": "groups"},
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.validator",
        },
    )
    django.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", run_syncdb=True, verbosity=0)
    for name, groups in accounts.items():
        user = User.objects.create_user(name, password=PASSWORD)
        user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    Application.objects.create(
        name="Fenceline",
        client_id=CLIENT,
        client_secret=SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=f"{console}/console/sign-on/back",
        post_logout_redirect_uris=f"{console}/console/sign-in",
        algorithm="RS256",
        skip_authorization=True,
    )
    from wsgiref.simple_server import make_server

    from django.core.wsgi import get_wsgi_application

    with make_server("127.0.0.1", port, get_wsgi_application()) as server:
        server.serve_forever()


def validator(*given):
    """Return what decides about requests and claims; it is made late, as Django must be set up before."""
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):
        oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "groups"}

        def get_additional_claims(self):
            return {
                "preferred_username": lambda request: request.user.username,
                "groups": lambda request: [group.name for group in request.user.groups.order_by("name")],
            }

    return Validator(*given)


class _Late(type):
    @property
    def urlpatterns(cls):
        from django.contrib.auth.views import LoginView
        from django.http import HttpResponse
        from django.middleware.csrf import get_token
        from django.urls import include, path

        class Login(LoginView):
            def render_to_response(self, context, **_):
                return HttpResponse(FORM.format(token=get_token(self.request)))

        return [
            path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
            path("login", Login.as_view()),
        ]


class Urls(metaclass=_Late):
    """What Django asks for its addresses."""


FORM = """<!doctype html><title>City sign-on</title><form method="post" action=""><input type="hidden"
name="csrfmiddlewaretoken" value="{token}"><input name="username"><input name="password" type="password"><button>Sign in
</button></form>"""


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
