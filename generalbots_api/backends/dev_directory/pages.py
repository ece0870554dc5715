"""The directory's pages: the login form, an error, a farewell. No script."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from html import escape

from starlette.responses import HTMLResponse

from generalbots_api.backends.dev_directory.people import User

# Where the login may lead the browser: Chromium holds every redirect after a form to this list.
_FORM_TARGETS = "'self' http://127.0.0.1:* http://localhost:* http://*.localhost:* https:"
_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1b1f24;--line:#6e7781;--soft:#d0d7de;
--accent:#0a58ca;--on-accent:#fff;--banner:#fff4ce;--on-banner:#5c4400;--error:#b3261e}
@media(prefers-color-scheme:dark){:root{--page:#0f1216;--card:#171b21;--text:#e8ebef;--line:#8b949e;--soft:#323941;
--accent:#7ab0ff;--on-accent:#0f1216;--banner:#3d3000;--on-banner:#ffe08a;--error:#ffb4ab}}
*{box-sizing:border-box}
body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:var(--page);color:var(--text);overflow-wrap:anywhere}
.banner{margin:0;padding:.6rem 1rem;background:var(--banner);color:var(--on-banner);text-align:center}
main{max-width:26rem;margin:1.5rem auto;padding:1.25rem;background:var(--card);border:1px solid var(--soft);
border-radius:.5rem}
@media(max-width:28rem){main{margin:0;border-width:0 0 1px;border-radius:0}}
h1{font-size:1.3rem;margin:0 0 1rem}h2{font-size:1.05rem;margin:1.75rem 0 .25rem}
label{display:block;margin:.75rem 0 .25rem;font-weight:600}
input,button{font:inherit;width:100%;min-height:2.75rem;padding:.4rem .6rem;border:1px solid var(--line);
border-radius:.4rem;color:var(--text);background:var(--card)}
button{margin-top:1.25rem;background:var(--accent);color:var(--on-accent);border-color:var(--accent);
font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.error{color:var(--error);font-weight:600}
table{width:100%;border-collapse:collapse;text-align:left}th,td{padding:.3rem .5rem .3rem 0;
border-bottom:1px solid var(--soft);vertical-align:top}
"""
_BANNER = (
    '<p class="banner" role="note"><strong>DEVELOPMENT</strong> directory: these accounts exist on this machine only. '
    "Do not enter a password that you use elsewhere.</p>"
)


def login_page(
    *, action: str, form_token: str, users: Iterable[User], username: str = "", error: str | None = None
) -> HTMLResponse:
    """The form, and who may log in. `username` is filled in already."""
    on_name, on_password = ("", " autofocus") if username else (" autofocus", "")
    alert = f'<p class="error" id="error" role="alert">{escape(error)}</p>' if error else ""
    described = ' aria-describedby="error" aria-invalid="true"' if error else ""
    body = f"""<h1>Log in</h1>{alert}
<form method="post" action="{escape(action)}">
<input type="hidden" name="form" value="{escape(form_token)}">
<label for="username">Username</label>
<input id="username" name="username" value="{escape(username)}" autocomplete="username" autocapitalize="none"
spellcheck="false" maxlength="200" required{described}{on_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="200"
required{described}{on_password}>
<button type="submit">Log in</button></form>
<h2 id="accounts">Accounts</h2><p>The password is the username, unless the users file sets another.</p>
<table aria-labelledby="accounts"><thead><tr><th scope="col">Username</th><th scope="col">Name</th>
<th scope="col">Roles</th></tr></thead><tbody>{"".join(_row(user) for user in users)}</tbody></table>"""
    return _page("Log in", body, 403 if error else 200)


def error_page(message: str, status: int) -> HTMLResponse:
    return _page("Something is wrong", f'<h1>Something is wrong</h1><p role="alert">{escape(message)}</p>', status)


def farewell_page() -> HTMLResponse:
    return _page("Logged out", "<h1>Logged out</h1><p>This browser is no longer logged in here.</p>", 200)


def _row(user: User) -> str:
    note = "" if user.is_active else " (deactivated)"
    roles = ", ".join(sorted(user.roles)) or "none"
    cells = (escape(user.display_name) + note, escape(roles))
    return f'<tr><th scope="row">{escape(user.username)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _page(title: str, body: str, status: int) -> HTMLResponse:
    nonce = secrets.token_hex(16)
    html = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} - development directory</title>
<style nonce="{nonce}">{_STYLE}</style></head><body>{_BANNER}<main>{body}</main></body></html>"""
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {_FORM_TARGETS}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",  # `no-referrer` makes the Origin of the form "null"
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return HTMLResponse(html, status, headers=headers)
