"""What an admin does with users in the console: every act in a transaction, once, and not past what another one did.

An admin of some districts sees and changes only users of these, and lets nobody into others. What is written is written
by `Access`, `Sessions` and `SecondFactor`, as on the command line. An act says up to which step of a user's record the
admin had read (`seen`): an act that is sent twice is done once, and what another admin did meanwhile is told first.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from hub.access.caller import refuse_role
from hub.access.factor import SecondFactor
from hub.access.sessions import Sessions
from hub.access.tokens import Access, AccessError, Act, Role, Step, User
from hub.http.problems import RequestError
from hub.storage.database import transaction
from schemas.chinese import in_chinese
from schemas.language import Text

OWN = Text(
    "Your own access another admin changes, or 'fenceline access' at the hub's machine.",
    "您本人的权限须由其他管理员更改，或在数据中心主机上使用 fenceline access。",
)
OUTSIDE = Text(
    "You can let somebody in only to districts of yours; name at least one of them.",
    "只能授予您管辖的区；请至少选择其中一个。",
)
TAKEN = Text("Somebody else has or had this name; choose another one.", "该用户名已被使用，请另取名称。")
CHANGED = Text("Your own access was changed meanwhile; nothing was done.", "您本人的权限已变更，未做任何更改。")


class MeanwhileError(RequestError):
    """What another admin did with a user in the meantime, and must be read first."""

    def __init__(self, name: str, news: list[Step]) -> None:
        who = ", ".join(sorted({step.who for step in news}))
        told = Text(
            f"{who} changed the access of {name} meanwhile; read it, then decide",
            f"{who}已更改{name}的权限，请先查看再决定",
        )
        super().__init__(409, told)
        self.news = news


class DoneError(RequestError):
    """A link or a token that was made already: it is shown once, and the form came again."""


class UserDesk:
    """The users that an admin manages, in the compliance database behind `db`; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, admin: User, clock: Callable[[], float]) -> None:
        self._db, self._admin, self._clock = db, admin, clock
        self._access = Access(db)

    def users(self) -> list[tuple[User, float, float | None]]:
        """Return every user that the admin manages; when access was given, and when it was revoked (Unix s)."""
        return [one for one in self._access.users() if self.manages(one[0])]

    def get(self, name: str) -> User:
        """Return a user who has access.

        Raises:
            RequestError: there is none that the admin manages.
        """
        user = self._access.find(name)
        if user is None or not self.manages(user):
            raise RequestError(404, Text(f"there is no user {name!r} who has access", f"没有名为{name!r}的有效用户"))
        return user

    def manages(self, user: User) -> bool:
        """Tell whether a user is one of the admin's: of all districts, or of none but the admin's own."""
        return self._may_give(user.districts)

    def add(self, name: str, role: Role, districts: Collection[str], seen: int, company: str = "") -> None:
        """Let a user in. The token that this makes nobody gets to see; `token` makes one that is shown.

        Raises:
            RequestError: the name cannot be one or somebody has it, or the districts are not the admin's.
        """
        with self._changing():
            news = self._access.steps_of(name, seen)
            if self._is_done(news, "added", role, districts, company):
                return
            self._refuse_outside(districts)
            # Who had it once stays on record under this name.
            if any(user.name == name and not self.manages(user) for user, _, _ in self._access.users()):
                raise RequestError(422, TAKEN)
            try:
                self._access.add(name, role, self._clock(), self._admin.name, districts, company)
            except AccessError as error:
                raise _refused(error) from error

    def change(self, name: str, role: Role, districts: Collection[str], seen: int, company: str = "") -> None:
        """Give a user another role or other districts.

        Raises:
            RequestError: there is no such user, or another admin did something meanwhile.
        """
        with self._acting(name, seen, "changed", role, districts, company) as user:
            if user:
                self._refuse_own(name)
                self._refuse_outside(districts)
                try:
                    self._access.change(name, role, self._clock(), self._admin.name, districts, company)
                except AccessError as error:
                    raise _refused(error) from error

    def link(self, name: str, seen: int) -> str:
        """Return the secret of a new link by which a user signs in once.

        Raises:
            RequestError: there is no such user; or this very form has made one already (`DoneError`).
        """
        with self._acting(name, seen, "link") as user:
            if user is None:
                raise _made_already()
            return Sessions(self._db).make_link(name, self._clock(), self._admin.name)

    def token(self, name: str, seen: int) -> str:
        """Return a new token for the HTTP API in place of a user's earlier one.

        Raises:
            RequestError: there is no such user; or this very form has made one already (`DoneError`).
        """
        with self._acting(name, seen, "token") as user:
            if user is None:
                raise _made_already()
            return self._access.renew(name, self._clock(), self._admin.name)

    def sign_out(self, name: str, seen: int) -> None:
        """Sign a user out in every browser; links that were made are void, too.

        Raises:
            RequestError: there is no such user, or another admin did something meanwhile.
        """
        with self._acting(name, seen, "signed_out") as user:
            if user:
                Sessions(self._db).end_all(user, self._clock(), self._admin.name)

    def reset_factor(self, name: str, seen: int) -> None:
        """Take off a user's second factor: the phone is lost.

        Raises:
            RequestError: there is no such user, or another admin did something meanwhile.
        """
        with self._acting(name, seen, "factor_reset") as user:
            if user:
                self._refuse_own(name)
                SecondFactor(self._db).off(user, self._clock(), self._admin.name)

    def revoke(self, name: str, seen: int) -> None:
        """Take a user's access back: token, links and sessions are refused from then on.

        Raises:
            RequestError: there is no such user, or another admin did something meanwhile.
        """
        with self._acting(name, seen, "revoked") as user:
            if user:
                self._refuse_own(name)
                self._access.revoke(name, self._clock(), self._admin.name)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with transaction(self._db):
            # Who asked was an admin when the page was made; of two who take it from each other one must stay.
            now = self._access.find(self._admin.name)
            if now is None or now.districts != self._admin.districts:
                raise RequestError(403, CHANGED)
            refuse_role(now, "admin")
            yield

    @contextmanager
    def _acting(
        self,
        name: str,
        seen: int,
        what: Act,
        role: Role | None = None,
        districts: Collection[str] = (),
        company: str = "",
    ) -> Iterator[User | None]:
        """Give the user to act on; None: this was done already, the form was sent twice."""
        with self._changing():
            news = self._access.steps_of(name, seen)
            if self._is_done(news, what, role, districts, company):
                yield None
                return
            user = self.get(name)
            if others := [step for step in news if step.who not in {self._admin.name, name}]:
                raise MeanwhileError(name, others)
            yield user

    def _is_done(
        self, news: list[Step], what: Act, role: Role | None, districts: Collection[str], company: str
    ) -> bool:
        return any(
            (step.what, step.who) == (what, self._admin.name)
            and (role is None or (step.role, step.districts, step.company) == (role, tuple(districts), company))
            for step in news
        )

    def _refuse_own(self, name: str) -> None:
        if name == self._admin.name:
            raise RequestError(409, OWN)

    def _refuse_outside(self, districts: Collection[str]) -> None:
        if not self._may_give(districts):
            raise RequestError(422, OUTSIDE)

    def _may_give(self, districts: Collection[str]) -> bool:
        own = self._admin.districts
        return not own or (bool(districts) and set(districts) <= set(own))


def _refused(error: AccessError) -> RequestError:
    return RequestError(422, Text(str(error), in_chinese(str(error))))


def _made_already() -> DoneError:
    told = Text(
        "This was made already and is shown only once; if you did not see it, make another one.",
        "已生成，且仅显示一次；如未看到，请重新生成。",
    )
    return DoneError(409, told)
