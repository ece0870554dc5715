"""Everything below /bots in a FastAPI app that has its own lifespan, middleware, CORS and error format.

    uvicorn examples.fastapi_app:app        (or: hypercorn examples.fastapi_app:app)

Open http://127.0.0.1:8000/bots/ and log in; http://127.0.0.1:8000/docs is the app's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.middleware.base import RequestResponseEndpoint

from examples.directory import KEY, ORIGIN, PATH, development_directory
from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage

provider, directory = development_directory()
gb = GeneralBots(
    Settings(secret_keys=[KEY], public_url=f"{ORIGIN}/bots", after_login="/bots/"),
    storage=MemoryStorage(),
    directory=directory,
    bots=[EchoBot()],
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": "Hello from the app"}


app = FastAPI(lifespan=lifespan)
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
app.mount(PATH, provider)


@app.exception_handler(404)
async def not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"problem": "not here"}, 404)


@app.middleware("http")
async def sign(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["X-Shop"] = "on every response, ours and the service's"
    return response


@app.get("/hello")
async def hello(request: Request) -> str:
    greeting: str = request.state.greeting
    return greeting


gb.install(app, "/bots")
