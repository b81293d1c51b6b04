"""What the browser or the app itself refuses, because the Hub shows the app under its address and in a frame."""

from __future__ import annotations

from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import crash, failure, trouble

SYMPTOMS: tuple[Symptom, ...] = (
    # --- the Hub's page around the app ---
    crash(
        code="host-not-allowed",
        needles=(
            "Invalid HTTP_HOST header",
            "Blocked request",
            "Blocked host",
            "Blocked hosts",
            "Invalid host header",
            "Invalid Host header",
        ),
        pattern=r"Invalid HTTP_HOST header: '(?P<host>[^']{1,200})'|"
        r"Blocked request\. This host \(\"?(?P<h2>[^\")]{1,200})|Blocked hosts?: (?P<h3>\S{1,200})|"
        r"Invalid [Hh]ost header",
        message="The app refuses requests for the Space's address, because that name is not on its list of hosts",
        hint='Allow it: Django `ALLOWED_HOSTS = [".hf.space"]`, Vite `server.allowedHosts: [".hf.space"]`, '
        "Rails "
        '`config.hosts << ".hf.space"`.',
        examples=(
            "django.core.exceptions.DisallowedHost: Invalid HTTP_HOST header: 'acme-demo.hf.space'. You may need to "
            "add 'acme-demo.hf.space' to ALLOWED_HOSTS.",
            'Blocked request. This host ("acme-demo.hf.space") is not allowed.',
            "Blocked hosts: acme-demo.hf.space",
        ),
        explains=("stuck-starting", "launch-timeout", "root-404"),
    ),
    trouble(
        code="csrf-origin",
        needles=("does not match any trusted origins", "CSRF", "ActionController::InvalidAuthenticityToken"),
        pattern=r"Origin checking failed - (?P<origin>\S{1,200}) does not match any trusted|InvalidAuthenticityToken|"
        r"Forbidden \(CSRF cookie not set",
        message="Forms are refused, because the app does not trust the address from which the Space's page sends them",
        hint='Django: `CSRF_TRUSTED_ORIGINS = ["https://*.hf.space"]`, and `SESSION_COOKIE_SAMESITE = '
        'CSRF_COOKIE_SAMESITE = "None"` with '
        "the `…_SECURE = True` settings, because the Hub shows the app in a frame.",
        examples=(
            "Forbidden (Origin checking failed - https://acme-demo.hf.space does not match any trusted origins.): "
            "/login/",
            "Forbidden (CSRF cookie not set.): /upload",
        ),
    ),
    failure(
        code="streamlit-xsrf",
        places=(Place.RUN, Place.SAID),
        needles=("AxiosError", "XSRF"),
        pattern=r"AxiosError: Request failed with status code 40[03]|XSRF cookie does not match",
        message="Streamlit refuses uploads, because the browser does not send its cookie in the frame in which the "
        "Hub shows the app",
        hint="Start it with `--server.enableXsrfProtection=false` (and `--server.enableCORS=false`), or open the "
        "`.hf.space` address itself.",
        examples=(
            "AxiosError: Request failed with status code 403",
            "403 POST /_stcore/upload_file: XSRF cookie does not match POST argument",
        ),
        explains=(),
    ),
    trouble(
        code="x-frame-options",
        places=(Place.RUN, Place.SAID),
        needles=("X-Frame-Options", "frame-ancestors", "x-frame-options"),
        pattern=r"Refused to (?:display|frame) '\S{1,300}'.{0,120}(?:X-Frame-Options|frame-ancestors|violates)",
        message="The app forbids to be shown in a frame, and the Hub shows it in one, so its page stays blank",
        hint="Leave the header X-Frame-Options out, or allow the Hub: `Content-Security-Policy: frame-ancestors "
        "https://huggingface.co`.",
        examples=(
            "Refused to display 'https://acme-demo.hf.space/' in a frame because it set 'X-Frame-Options' to 'deny'.",
            "Refused to frame 'https://acme-demo.hf.space/' because an ancestor violates the following Content "
            "Security Policy directive: \"frame-ancestors 'self'\".",
        ),
    ),
    trouble(
        code="third-party-cookie",
        places=(Place.RUN, Place.SAID),
        needles=("cross-site context", "third-party", "SameSite", "MismatchingStateError", "mismatching_state"),
        pattern=r"[Cc]ookie.{0,120}(?:cross-site context|third-party|SameSite)|[Mm]ismatching_?[Ss]tate",
        message="The browser does not keep the app's cookie in the frame in which the Hub shows it, so a login does "
        "not last",
        hint="Set the cookie with `SameSite=None; Secure; Partitioned`, or let users open the `.hf.space` address "
        "itself.",
        examples=(
            'Cookie "session" has been rejected because it is in a cross-site context and its "SameSite" is "Lax".',
            "authlib.integrations.base_client.errors.MismatchingStateError: mismatching_state: CSRF Warning!",
        ),
    ),
    trouble(
        code="proxy-headers",
        places=(Place.RUN, Place.SAID),
        needles=("Mixed Content", "redirect_uri", "Mixed content"),
        pattern=r"[Mm]ixed [Cc]ontent: The page at|redirect_uri(?:_mismatch| did not match|.{0,40}(?:invalid|mismatch|"
        r"not (?:allowed|registered)))|[Ii]nvalid redirect_uri",
        message="The app believes that it is reached by http, because https ends at the Hub's proxy, so its links and "
        "redirects are wrong",
        hint='Let it trust the proxy: `uvicorn … --proxy-headers --forwarded-allow-ips "*"`, Flask\'s ProxyFix, '
        "Django's SECURE_PROXY_SSL_HEADER.",
        examples=(
            "Mixed Content: The page at 'https://acme-demo.hf.space/' was loaded over HTTPS, but requested an "
            "insecure script 'http://acme-demo.hf.space/static/app.js'.",
            "Error 400: redirect_uri_mismatch",
        ),
    ),
    trouble(
        code="cors-preflight",
        places=(Place.RUN, Place.SAID),
        needles=("CORS policy", "Disallowed CORS"),
        pattern=r"blocked by CORS policy|Disallowed CORS (?:origin|headers|method)",
        message="The browser does not let another page use the app's answers, because the app does not allow that page",
        hint="Name the page's address in the app's list of allowed origins (not `*` together with credentials).",
        examples=(
            "Access to fetch at 'https://acme-demo.hf.space/api' from origin 'https://example.com' has been blocked "
            "by CORS policy: Response to preflight request doesn't pass access control check",
        ),
    ),
    trouble(
        code="stuck-starting",
        needles=("HEAD / HTTP",),
        pattern=r"\"HEAD / HTTP/\d(?:\.\d)?\"\s{1,3}(?:405|404|50\d)",
        message="The Hub asks for the app's first page and is refused, so it may take the app for not ready",
        hint='Let the app answer GET and HEAD on `/` with 200 (FastAPI: `@app.api_route("/", methods=["GET", '
        '"HEAD"])`).',
        examples=(
            'INFO:     10.16.1.2:5023 - "HEAD / HTTP/1.1" 405 Method Not Allowed',
            '10.0.0.1 - - "HEAD / HTTP/1.1" 405 31',
        ),
    ),
    trouble(
        code="root-404",
        needles=("GET / HTTP",),
        pattern=r"\"GET / HTTP/\d(?:\.\d)?\"\s{1,3}404",
        message="The app has no page at `/`, so the Space's page shows only its Not Found",
        hint="Add a route for `/`, or write `base_path: /docs` (the path of the page that it has) into README.md.",
        examples=(
            'INFO:     10.16.1.2:5023 - "GET / HTTP/1.1" 404 Not Found',
            '10.0.0.1 - - [01/Mar/2026] "GET / HTTP/1.1" 404 232',
        ),
        unlike=('INFO: 10.16.1.2:5023 - "GET /x HTTP/1.1" 404 Not Found',),
    ),
)
