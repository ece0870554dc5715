"""A Zitadel for tests: each service method answers what a test gives it, and what was asked is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.ids import GroupId, UserId
from tests.backends.oidc_forge import CLIENT, ISSUER, SECRET, Bent, TinyOp

ME, OTHER = UserId("42"), UserId("43")
STAFF = GroupId("301")
PROJECT, ORGANIZATION = "2001", "1001"
GET_USER = "zitadel.user.v2.UserService/GetUserByID"
UPDATE_USER = "zitadel.user.v2.UserService/UpdateUser"
LIST_AUTHORIZATIONS = "zitadel.authorization.v2.AuthorizationService/ListAuthorizations"
CREATE_GROUP = "zitadel.group.v2.GroupService/CreateGroup"
LIST_GROUPS = "zitadel.group.v2.GroupService/ListGroups"
LIST_GROUP_USERS = "zitadel.group.v2.GroupService/ListGroupUsers"
ADD_USERS = "zitadel.group.v2.GroupService/AddUsersToGroup"
REMOVE_USERS = "zitadel.group.v2.GroupService/RemoveUsersFromGroup"


class Zitadel(TinyOp):
    def __init__(self, answers: Mapping[str, Bent | dict[str, Any]]) -> None:
        super().__init__()
        for method, answer in answers.items():
            self.answer(method, answer)

    def answer(self, method: str, answer: Bent | dict[str, Any]) -> None:
        """A dict is a good answer."""
        self.bent[f"/{method}"] = ok(answer) if isinstance(answer, dict) else answer

    def directory(self, **options: Any) -> ZitadelDirectory:
        given: dict[str, Any] = {"project_id": PROJECT, "transport": self, "clock": self.clock, **options}
        return ZitadelDirectory(ISSUER, CLIENT, SECRET, **given)

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The bodies of the calls of a method, in order."""
        return [json.loads(one.content) for one in self.requests if one.url.path == f"/{method}"]


def ok(answer: dict[str, Any]) -> httpx2.Response:
    return httpx2.Response(200, json=answer)


def failed(code: str | int, status: int) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "message": "words of Zitadel", "details": []})


def user(id: str = ME, **changes: Any) -> dict[str, Any]:
    found = {
        "userId": id,
        "details": {"sequence": "7", "creationDate": "2025-03-04T05:06:07.123456789Z"},
        "state": "USER_STATE_ACTIVE",
        "username": "ada",
        "preferredLoginName": "ada@example.org",
        "human": {
            "profile": {"givenName": "Ada", "familyName": "Lovelace", "displayName": "Countess"},
            "email": {"email": f"{id}@example.org", "isVerified": True},
        },
        **changes,
    }
    return {"user": {name: value for name, value in found.items() if value is not None}}


def group(id: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "organizationId": ORGANIZATION, "creationDate": "2026-01-02T03:04:05Z", **more}


def group_user(group_id: str, id: str) -> dict[str, Any]:
    return {
        "groupId": group_id,
        "user": {"id": id, "preferredLoginName": f"user {id}"},
        "creationDate": "2026-01-03T03:04:05+02:00",
    }


def authorization(*roles: str, **changes: Any) -> dict[str, Any]:
    return {
        "project": {"id": PROJECT},
        "user": {"id": ME},
        "state": "STATE_ACTIVE",
        "roles": [{"key": role} for role in roles],
        **changes,
    }
