"""The peer: FastAPI, slowapi and SQLAlchemy over aiosqlite, put together as their own documents show.

A bearer token is looked up with its user in the database at each request, by an
async session of its own; slowapi counts by address, in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['BENCH_DATABASE']}")
new_session = async_sessionmaker(engine, expire_on_commit=False)
bearer = OAuth2PasswordBearer(tokenUrl="token")
limiter = Limiter(key_func=get_remote_address, headers_enabled=True)
TOKEN = os.environ["BENCH_TOKEN"]


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    is_active: Mapped[bool]


class Token(Base):
    __tablename__ = "tokens"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship()


class SessionOut(BaseModel):
    session_id: str
    user_id: int
    bot_id: str | None = None
    created_at: datetime
    expires_at: datetime


async def database() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


async def current(token: Annotated[str, Depends(bearer)], session: Annotated[AsyncSession, Depends(database)]) -> Token:
    digest = hashlib.sha256(token.encode()).hexdigest()
    query = select(Token).options(joinedload(Token.user)).where(Token.token_hash == digest)
    found = (await session.execute(query)).scalar_one_or_none()
    if found is None or not found.user.is_active or found.expires_at < datetime.now(UTC).replace(tzinfo=None):
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return found


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    now = datetime.now(UTC).replace(tzinfo=None)
    async with new_session() as session:
        session.add(User(id=1, username="ada", is_active=True))
        await session.flush()
        session.add(
            Token(
                token_hash=hashlib.sha256(TOKEN.encode()).hexdigest(),
                session_id="IhWVr0uhpfXrqwBLU3P8cQ",
                created_at=now,
                expires_at=now + timedelta(hours=12),
                user_id=1,
            )
        )
        await session.commit()
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type] # as documented


@app.get("/api/session")
@limiter.limit("1000000000/hour")
async def session(request: Request, response: Response, token: Annotated[Token, Depends(current)]) -> SessionOut:
    return SessionOut(
        session_id=token.session_id,
        user_id=token.user_id,
        created_at=token.created_at,
        expires_at=token.expires_at,
    )
