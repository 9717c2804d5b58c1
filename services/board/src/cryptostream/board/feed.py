"""The documents of one kind that were written since the last poll, each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from cryptostream.board import parse, queries
from cryptostream.board.cursor import Cursors
from cryptostream.board.parse import Document
from cryptostream.board.search import SearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: With more to read than this many pages the poller is hopelessly behind and jumps.
PAGES_PER_POLL: Final = 4


class Asks(Protocol):
    """What a feed needs of `search.Search`."""

    async def ask(self, indices: str, body: queries.Body) -> dict[str, Any]:
        """Search; raises `SearchError`."""


@dataclass(slots=True)
class News(Generic[Document]):
    """A poll's yield. `live` is False for what was read again at the start or after a jump."""

    documents: list[Document] = field(default_factory=list)
    bad: int = 0
    jumps: int = 0
    live: bool = True


class Feed(Generic[Document]):
    """Reads the indices of one kind forward; bounded per poll, lossless below that bound."""

    def __init__(
        self,
        search: Asks,
        indices: str,
        fields: tuple[str, ...],
        kind: type[Document],
        *,
        backfill: int,
        page: int = queries.PAGE,
    ) -> None:
        self._search = search
        self._indices = indices
        self._fields = fields
        self._kind: type[Document] = kind
        self._backfill = backfill
        self._page = page
        self._cursors: Cursors | None = None

    async def poll(self) -> News[Document]:
        """Give what is new; raises `SearchError`, after which the next poll asks again."""
        news: News[Document] = News()
        if self._cursors is None:
            self._cursors = await self._begin()
            news.live = False
        full = await self._read_pages(self._cursors, news)
        if full:
            self._cursors = None
            news.jumps = 1
        return news

    async def _begin(self) -> Cursors:
        cursors = Cursors()
        cursors.start(await self._tops(), self._backfill)
        return cursors

    async def _tops(self) -> dict[str, int]:
        return parse.tops(await self._search.ask(self._indices, queries.tops_body()))

    async def _read_pages(self, cursors: Cursors, news: News[Document]) -> bool:
        """Read pages until one isn't full; True if the last allowed one still was."""
        floors: Mapping[str, int] = cursors.floors()
        for page in range(PAGES_PER_POLL):
            body = queries.changes_body(floors, self._fields, self._page)
            try:
                answer = await self._search.ask(self._indices, body)
            except SearchError:
                if page == 0:
                    raise
                return False  # what was read is handed out; the next poll asks again
            self._take(answer, cursors, news)
            if len(parse.hits_of(answer)) < self._page:
                cursors.settle()
                return False
            floors = cursors.tops()
        return True

    def _take(self, answer: dict[str, Any], cursors: Cursors, news: News[Document]) -> None:
        for hit in parse.changes(answer):
            if not cursors.take(hit.at, hit.seq_no):
                continue
            document = parse.document(hit.source, self._kind)
            if document is None:
                news.bad += 1
            else:
                news.documents.append(document)

    async def rebase(self) -> None:
        """Notice indices that were deleted or made anew; raises `SearchError`."""
        cursors = self._cursors
        if cursors is not None:
            before = cursors.tops()
            cursors.rebase(before, await self._tops(), self._backfill)
