"""Pages as PDF files, by WeasyPrint, which is an extra of its own (`fenceline[pdf]`).

A page brings nothing from elsewhere: what it names is one of the console's own files, or is left out.
"""

from typing import Any
from urllib.parse import urlsplit

from hub.console.statics import Statics

HERE = "http://console.invalid"
"""Where a page stands for whoever looks up what it names; nothing is asked there."""


def pdf_of(page: str, statics: Statics) -> bytes:
    """Return a page as a PDF file."""
    import weasyprint
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFiles(URLFetcher):  # type: ignore[misc]
        """Gives the console's own files and nothing else."""

        def fetch(self, url: str, headers: Any = None) -> Any:  # noqa: ARG002
            path = urlsplit(url).path
            found = statics.find(path.rpartition("/")[2]) if url.startswith(f"{HERE}/console/static/") else None
            if found is None:
                raise ValueError(f"{url}: a page is made of the console's own files alone")
            return URLFetcherResponse(url, found.content, {"Content-Type": found.media_type})

    made: bytes = weasyprint.HTML(string=page, base_url=HERE, url_fetcher=OwnFiles()).write_pdf()
    return made
