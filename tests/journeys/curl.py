"""As much of curl as the guides use, for machines that have none: -s -i -X -H -d and one URL."""

import argparse
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    given = parser.parse_args()
    url = urlsplit(given.url)
    connection = HTTPConnection(url.netloc, timeout=30)
    connection.request(
        given.method or ("GET" if given.body is None else "POST"),
        f"{url.path}?{url.query}" if url.query else url.path,
        body=None if given.body is None else given.body.encode(),
        headers=dict(each.split(": ", 1) for each in given.headers),
    )
    answer = connection.getresponse()
    if given.i:
        head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        head += [f"{name}: {value}" for name, value in answer.getheaders()]
        sys.stdout.write("\r\n".join([*head, "", ""]))
    sys.stdout.write(answer.read().decode())


if __name__ == "__main__":
    main()
