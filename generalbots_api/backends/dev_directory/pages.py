"""The directory's two pages: the login form and an error. No script, no build step."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from starlette.responses import HTMLResponse

from generalbots_api.backends.dev_directory.people import User

_STYLE = """
:root{color-scheme:light dark;
--b:#f6f7f9;--f:#fff;--t:#1b1f24;--l:#d0d7de;--a:#0a58ca;--w:#fff4ce;--wt:#5c4400;--e:#b3261e}
@media(prefers-color-scheme:dark){:root{
--b:#0f1216;--f:#171b21;--t:#e8ebef;--l:#323941;--a:#7ab0ff;--w:#3d3000;--wt:#ffe08a;--e:#ffb4ab}}
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:var(--b);color:var(--t)}
.dev{margin:0;padding:.6rem 1rem;background:var(--w);color:var(--wt);text-align:center}
main{max-width:24rem;margin:2rem auto;padding:1.25rem;background:var(--f);border:1px solid var(--l);border-radius:.5rem}
h1{font-size:1.2rem;margin:0 0 1rem} label{display:block;margin:.75rem 0 .25rem}
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border-radius:.4rem;border:1px solid var(--l)}
button{margin-top:1rem;background:var(--a);color:var(--f);border-color:var(--a);cursor:pointer}
:focus-visible{outline:3px solid var(--a);outline-offset:2px} .error{color:var(--e)} table{width:100%;text-align:left}
"""
_BANNER = '<p class="dev"><strong>DEVELOPMENT</strong> directory: these accounts exist on this machine only.</p>'


def login_page(action: str, form_token: str, users: Iterable[User], error: str | None, nonce: str) -> HTMLResponse:
    rows = "".join(
        f"<tr><td>{escape(user.username)}</td><td>{escape(', '.join(sorted(user.roles)) or 'no role')}</td></tr>"
        for user in users
        if user.is_active
    )
    alert = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    body = f"""<h1>Log in</h1>{alert}
<form method="post" action="{escape(action)}">
<input type="hidden" name="form" value="{escape(form_token)}">
<label for="username">Username</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button></form>
<h2>Accounts</h2><p>The password is the username, unless a users file says otherwise.</p>
<table><thead><tr><th scope="col">Username</th><th scope="col">Roles</th></tr></thead><tbody>{rows}</tbody></table>"""
    return _page("Log in", body, 403 if error else 200, nonce)


def error_page(message: str, nonce: str) -> HTMLResponse:
    return _page("Something is wrong", f'<h1>Something is wrong</h1><p role="alert">{escape(message)}</p>', 400, nonce)


def _page(title: str, body: str, status: int, nonce: str) -> HTMLResponse:
    html = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} - development directory</title>
<style nonce="{nonce}">{_STYLE}</style></head><body>{_BANNER}<main>{body}</main></body></html>"""
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(html, status, headers=headers)
