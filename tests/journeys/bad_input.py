"""The table of what must be refused, each with its status and code. `test_bad_input.py` sends it.

MARKER stands in the input wherever it fits: no answer may repeat it.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.journeys.api import ORDER

MARKER = "m4rk3r"
PLAIN = "plain"
"""Instead of a code: the HTTP parser itself refused, with an answer that need not be a problem."""

_TOO_BIG = 65_537
_JSON = {"Content-Type": "application/json"}
_CARD = "4242424242424242"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A request that differs from a good one in one thing.

    In `headers` the value None leaves a header out. `twice` are headers sent a second time.
    """

    name: str
    status: int
    code: str
    method: str = "POST"
    target: str = "/v1/orders"
    headers: Mapping[str, str | None] = field(default_factory=dict)
    twice: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    pointer: str | None = None
    """Where the first of `errors` must point."""


def all_bad_input() -> list[Bad]:
    return [
        *_unreadable_bodies(),
        *_numbers(),
        *_members(),
        *_shapes(),
        *_sizes(),
        *_content_types(),
        *_idempotency_keys(),
        *_credentials(),
        *_queries(),
        *_paths_and_methods(),
        *_api_keys(),
    ]


def _order_with(member: str, json_text: str) -> bytes:
    """A good order but for one member, given as JSON text."""
    members = {name: json.dumps(value) for name, value in ORDER.items()}
    members["description"] = f'"{MARKER}"'
    members[member] = json_text
    return "{{{}}}".format(", ".join(f'"{n}": {v}' for n, v in members.items())).encode()


def _good(**changes: object) -> bytes:
    return json.dumps({**ORDER, "description": MARKER, **changes}).encode()


def _unreadable_bodies() -> Iterator[Bad]:
    good = _good().decode()
    for name, body in {
        "empty": b"",
        "white space": b" \n\t ",
        "cut short": good[:-1].encode(),
        "a bracket that does not fit": good.replace("}", "]").encode(),
        "a comma too many": good.replace("}", ",}").encode(),
        "single quotes": good.replace('"', "'").encode(),
        "a comment": good.replace("{", "{/* */").encode(),
        "names without quotes": b"{customer_id: 1}",
        "garbage behind": good.encode() + b"x",
        "two values": good.encode() * 2,
        "no colon": b'{"customer_id" "x"}',
        "a bad escape": _order_with("description", f'"{MARKER}\\x41"'),
        "half an escape": _order_with("description", f'"{MARKER}\\u12"'),
        "a raw line break in a string": _order_with("description", f'"{MARKER}\n"'),
        "a raw NUL in a string": _order_with("description", f'"{MARKER}\0"'),
        "a byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "UTF-16 with a mark": good.encode("utf-16"),
        "UTF-16, little end first": good.encode("utf-16-le"),
        "UTF-16, big end first": good.encode("utf-16-be"),
        "UTF-32": good.encode("utf-32"),
        "Latin-1": good.replace("cus_42", "Zoë").encode("latin-1"),
        "an overlong UTF-8 form": good.encode().replace(b"cus_42", b"\xc0\xaf"),
        "a surrogate in UTF-8": good.encode().replace(b"cus_42", b"\xed\xa0\x80"),
        "gzip": gzip.compress(good.encode()),
        "a high surrogate alone": _order_with("customer_id", r'"\ud800"'),
        "a low surrogate alone": _order_with("customer_id", r'"\udc00"'),
        "surrogates the wrong way round": _order_with("customer_id", r'"\udc00\ud800"'),
        "a surrogate alone in a name": _order_with(r"\ud800", "1"),
        "a surrogate alone in metadata": _order_with("metadata", r'{"\udfff": "x"}'),
        "the same name twice": good.replace("{", '{"customer_id": "first", ').encode(),
        "the same name twice, once escaped": good.replace(
            "{", '{"\\u0063ustomer_id": "first", '
        ).encode(),
        "the same name twice in metadata": _order_with("metadata", '{"a": "1", "a": "2"}'),
        "17 arrays deep": _order_with("metadata", "[" * 16 + "]" * 16),
        "17 objects deep": _order_with("metadata", '{"a":' * 16 + "1" + "}" * 16),
        "20,000 arrays deep": b"[" * 20_000 + b"]" * 20_000,
        "60,000 open arrays": b"[" * 60_000,
        "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    }.items():
        yield Bad(name=f"body: {name}", status=400, code="malformed_request", body=body)


def _numbers() -> Iterator[Bad]:
    unreadable = {
        "1e400": "1e400",
        "-1e400": "-1e400",
        "NaN": "NaN",
        "Infinity": "Infinity",
        "-Infinity": "-Infinity",
        "nan in lower case": "nan",
        "20 digits": "18446744073709551616",
        "5,000 digits": "9" * 5_000,
        "a leading zero": "01",
        "a plus": "+1",
        "hexadecimal": "0x10",
        "no digit after the point": "1.",
        "no digit before the point": ".5",
        "an underscore": "1_000",
        "a comma": "1,5",
        "two minuses": "--1",
        "Arabic digits": "١٢٣",
    }
    wrong = {
        "zero": "0",
        "minus zero": "-0",
        "minus one": "-1",
        "one too many": "10000001",
        "2^31": "2147483648",
        "2^63 - 1": "9223372036854775807",
        "2^63": "9223372036854775808",
        "-2^63": "-9223372036854775808",
        "-2^63 - 1": "-9223372036854775809",
        "19 digits": "9" * 19,
        "1.0": "1.0",
        "1.5": "1.5",
        "1e2": "1e2",
        "1E2": "1E2",
        "1e-400": "1e-400",
        "minus zero point zero": "-0.0",
        "a string": '"1"',
        "an empty string": '""',
        "a word": f'"{MARKER}"',
        "true": "true",
        "false": "false",
        "null": "null",
        "an array": "[1]",
        "an object": '{"value": 1}',
    }
    for name, text in unreadable.items():
        body = _order_with("amount_cents", text)
        yield Bad(name=f"amount: {name}", status=400, code="malformed_request", body=body)
    for name, text in wrong.items():
        body = _order_with("amount_cents", text)
        yield _invalid(f"amount: {name}", body, "/amount_cents")


def _invalid(name: str, body: bytes, pointer: str, target: str = "/v1/orders") -> Bad:
    return Bad(
        name=name,
        status=422,
        code="validation_failed",
        body=body,
        pointer=pointer,
        target=target,
    )


def _members() -> Iterator[Bad]:
    texts = {
        "customer_id": ("", "c" * 129, "\0", f"{MARKER}\0", "a\nb", "\x7f", "\t", 42, True, [], {}),
        "currency": (
            *("", "eur", "EU", "EURO", "EUR\n", " EUR", "ＥＵＲ", "ÉUR", "XXX", "XTS", "ABC"),
            *("XAU", "DEM", "E\0R", 978, ["EUR"]),
        ),
        "invoice_id": ("", "i" * 129, "\0", f"{MARKER}\x1b[31m", 42, []),
        "description": ("d" * 1001, "\0", 42, [], {}),
        "payment_method": ("", "p" * 256, f"{MARKER} x", f"{MARKER}é", "sim_approve\0", 42, []),
        "capture_method": ("", "auto", "AUTOMATIC", MARKER, 1, True, []),
        "metadata": (
            *([], MARKER, 1, {"": "x"}, {"k" * 41: "x"}, {"k": "v" * 501}, {"k": 1}),
            *({"k": None}, {"k": True}, {"k": ["x"]}, {"k": {"x": "y"}}, {"k\0": "x"}),
            *({"k": f"{MARKER}\0"}, {"a\nb": "x"}, {str(n): MARKER for n in range(51)}),
        ),
    }
    for member, values in texts.items():
        for value in values:
            name = f"{member}: {json.dumps(value)[:60]}"
            yield _invalid(name, _good(**{member: value}), f"/{member}")
    for member in ("customer_id", "currency", "capture_method", "metadata"):
        yield _invalid(f"{member}: null", _good(**{member: None}), f"/{member}")
    for card in (_CARD, "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005"):
        yield _invalid(f"card number: {card}", _good(payment_method=card), "/payment_method")
    for token in (f"tok_{MARKER}", f"sim_{MARKER}", "sim_", "SIM_APPROVE", f"card_{_CARD}"):
        body = _good(payment_method=token)
        yield Bad(
            name=f"payment method: {token}", status=422, code="payment_method_unknown", body=body
        )


def _shapes() -> Iterator[Bad]:
    for name, body, pointer in (
        ("an empty object", b"{}", "/customer_id"),
        ("an array", b"[]", ""),
        ("an array of an order", b"[" + _good() + b"]", ""),
        ("a string", b'"' + MARKER.encode() + b'"', ""),
        ("a number", b"1", ""),
        ("true", b"true", ""),
        ("null", b"null", ""),
        ("16 arrays deep", b"[" * 16 + b"]" * 16, ""),
        ("32,000 items", b"[" + b"1," * 31_999 + b"1]", ""),
    ):
        yield _invalid(f"body: {name}", body, pointer)
    for missing in ("customer_id", "amount_cents", "currency"):
        left = {name: value for name, value in ORDER.items() if name != missing}
        yield _invalid(f"without {missing}", json.dumps(left).encode(), f"/{missing}")
    for unknown in (
        *(MARKER, "id", "status", "amount", "merchant_id", "risk_score", "version", "created_at"),
        *("__proto__", "constructor", "", "Customer_id", "customer_id ", "amount_captured_cents"),
    ):
        yield Bad(
            name=f"unknown member {unknown!r}",
            status=422,
            code="validation_failed",
            body=_good(**{unknown: MARKER}),
        )
    many = {f"{MARKER}{n}": n for n in range(2_000)}
    yield _invalid("2,000 unknown members", json.dumps({**ORDER, **many}).encode(), "")


def _sizes() -> Iterator[Bad]:
    large = _good(metadata={"k": "v" * _TOO_BIG})
    for name, body in {
        "one byte too many": _good() + b" " * (_TOO_BIG - len(_good())),
        "64 kB in a value": large,
        "100,000 items": b"[" + b"1," * 99_999 + b"1]",
        "5 MB": b" " * 5_000_000,
    }.items():
        yield Bad(name=f"size: {name}", status=413, code="body_too_large", body=body)
    yield Bad(
        name="size: an address of more than 4 kB",
        status=414,
        code="uri_too_long",
        method="GET",
        target="/v1/orders?customer_id=" + MARKER + "x" * 4_096,
    )
    yield Bad(
        name="size: an address of more than 8 kB",
        status=414,
        code=PLAIN,
        method="GET",
        target="/v1/orders?customer_id=" + MARKER + "x" * 8_192,
    )
    yield Bad(
        name="size: a head of more than 16 kB",
        status=431,
        code=PLAIN,
        headers={"X-Much": MARKER + "x" * 16_384},
        body=_good(),
    )
    yield Bad(
        name="size: more than 64 headers",
        status=431,
        code="headers_too_large",
        headers={f"X-{number}": MARKER for number in range(64)},
        body=_good(),
    )


def _content_types() -> Iterator[Bad]:
    for kind in (
        *(None, "", "text/plain", "text/json", "application/xml", "application/octet-stream"),
        *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", MARKER),
        *("application/jsonp", "application/x-json", "json", "application"),
    ):
        yield Bad(
            name=f"content type: {kind}",
            status=415,
            code="unsupported_media_type",
            headers={"Content-Type": kind},
            body=_good(),
        )


def _idempotency_keys() -> Iterator[Bad]:
    yield Bad(
        name="key: missing",
        status=400,
        code="idempotency_key_missing",
        headers={"Idempotency-Key": None},
        body=_good(),
    )
    for name, key in {
        "empty": "",
        "empty in quotes": '""',
        "256 characters": MARKER + "k" * 250,
        "10 kB": MARKER + "k" * 10_240,
        "a space": f"{MARKER} x",
        "a tab": f"{MARKER}\tx",
        "Latin-1": f"{MARKER}é",
        "UTF-8": "\u00e2\u0082\u00ac",
        "a quote inside quotes": f'"{MARKER}"x"',
        "a bad escape inside quotes": f'"{MARKER}\\x"',
    }.items():
        yield Bad(
            name=f"key: {name}",
            status=400,
            code="idempotency_key_invalid",
            headers={"Idempotency-Key": key},
            body=_good(),
        )
    for second in ("other", ""):
        yield Bad(
            name=f"key: twice, then {second!r}",
            status=400,
            code="idempotency_key_invalid",
            twice={"Idempotency-Key": second},
            body=_good(),
        )
    yield Bad(
        name="key: a control character",
        status=400,
        code=PLAIN,
        headers={"Idempotency-Key": f"{MARKER}\x01"},
        body=_good(),
    )


def _credentials() -> Iterator[Bad]:
    well_formed_but_unknown = "hk_test_00000000000000000000000000000000" + "2rUMfE"
    yield Bad(
        name="credential: missing",
        status=401,
        code="api_key_missing",
        headers={"Authorization": None},
        body=_good(),
    )
    yield Bad(
        name="credential: in the query",
        status=401,
        code="api_key_missing",
        method="GET",
        target=f"/v1/orders?api_key={MARKER}",
        headers={"Authorization": None},
    )
    for name, value in {
        "empty": "",
        "another scheme": f"Basic {MARKER}",
        "no scheme": MARKER,
        "no key": "Bearer ",
        "not a key": f"Bearer {MARKER}",
        "10 kB": "Bearer " + MARKER * 1_700,
        "well-formed and unknown": f"Bearer {well_formed_but_unknown}",
        "a live key": "Bearer hk_live_" + "0" * 32 + "3xYzAb",
        "Latin-1": f"Bearer hk_test_{MARKER}é",
        "two keys": f"Bearer {MARKER} {MARKER}",
        "SQL": "Bearer ' OR 1=1 --",
    }.items():
        yield Bad(
            name=f"credential: {name}",
            status=401,
            code="api_key_invalid",
            headers={"Authorization": value},
            body=_good(),
        )
    yield Bad(
        name="credential: twice",
        status=401,
        code="api_key_invalid",
        twice={"Authorization": f"Bearer {MARKER}"},
        body=_good(),
    )
    yield Bad(
        name="credential: judged before the body",
        status=401,
        code="api_key_invalid",
        headers={"Authorization": f"Bearer {MARKER}"},
        body=b"{",
    )


def _queries() -> Iterator[Bad]:
    for query, pointer in {
        "limit=-1": "/query/limit",
        "limit=0": "/query/limit",
        "limit=101": "/query/limit",
        "limit=9223372036854775808": "/query/limit",
        "limit=1e1": "/query/limit",
        "limit=1.0": "/query/limit",
        "limit=": "/query/limit",
        f"limit={MARKER}": "/query/limit",
        "limit=%D9%A1": "/query/limit",
        "limit=%": "/query/limit",
        "limit=0x10": "/query/limit",
        "limit=%2B5": "/query/limit",
        f"status={MARKER}": "/query/status",
        "status=": "/query/status",
        "status=PENDING": "/query/status",
        "customer_id=": "/query/customer_id",
        "customer_id=" + "c" * 129: "/query/customer_id",
        "customer_id=a%0Ab": "/query/customer_id",
        "invoice_id=": "/query/invoice_id",
        "created_after=yesterday": "/query/created_after",
        "created_after=": "/query/created_after",
        "created_after=1700000000": "/query/created_after",
        "created_after=2026-01-01": "/query/created_after",
        "created_after=2026-01-01T00:00:00": "/query/created_after",
        "created_after=2026-13-01T00:00:00Z": "/query/created_after",
        "created_after=2026-02-30T00:00:00Z": "/query/created_after",
        "created_after=2026-01-01T25:00:00Z": "/query/created_after",
        "created_after=2026-01-01T00:00:00%2B99:00": "/query/created_after",
        "created_after=2026-01-01T00:00:00+01:00": "/query/created_after",
        "created_after=0000-01-01T00:00:00Z": "/query/created_after",
        "created_after=0001-01-01T00:00:00%2B01:00": "/query/created_after",
        "created_before=9999-12-31T23:59:59-01:00": "/query/created_before",
        "created_before=2026-01-01T00:00:00.0000000000Z": "/query/created_before",
        f"{MARKER}=1": "/query",
        "offset=1": "/query",
        "LIMIT=5": "/query",
        "limit%00=5": None,
        "limit=1&limit=2": None,
        "limit=1&l%69mit=2": None,
        "customer_id=%00": None,
        "customer_id=%FF": None,
        "cursor=%00": None,
        "%FF=1": None,
    }.items():
        yield Bad(
            name=f"query: {query[:60]}",
            status=400 if pointer is None else 422,
            code="malformed_request" if pointer is None else "validation_failed",
            pointer=pointer,
            method="GET",
            target=f"/v1/orders?{query}",
        )
    for cursor in ("", "x", MARKER, "A" * 54, "A" * 1_000, "%F0%9F%90%99", "AA%3D%3D", "%0A"):
        yield Bad(
            name=f"cursor: {len(cursor)} characters, {cursor[:20]!r}",
            status=400,
            code="invalid_cursor",
            method="GET",
            target=f"/v1/orders?cursor={cursor}",
        )


def _paths_and_methods() -> Iterator[Bad]:
    for target, status, code in (
        ("/v1/orders/", 404, "not_found"),
        ("//v1/orders", 404, "not_found"),
        ("/V1/orders", 404, "not_found"),
        (f"/{MARKER}", 404, "not_found"),
        ("/v1/orders/..%2f..", 404, "not_found"),
        ("/v1/../v1/orders", 404, "not_found"),
        ("/admin.php", 404, "not_found"),
        ("*", 404, "not_found"),
        (f"/v1/orders/{MARKER}", 404, "order_not_found"),
        ("/v1/orders/00000000-0000-0000-0000-000000000000", 404, "order_not_found"),
        ("/v1/orders/%7B%7D", 404, "order_not_found"),
        ("/v1/orders/9223372036854775808", 404, "order_not_found"),
        ("/v1/orders/%00", 400, "malformed_request"),
        ("/v1/orders/%FF", 400, "malformed_request"),
        ("/v1/orders/%C0%AF", 400, "malformed_request"),
        ("/v1/orders/%ED%A0%80", 400, "malformed_request"),
        (f"/v1/orders%0A{MARKER}", 400, "malformed_request"),
        ("/v1/customers/%00/orders", 400, "malformed_request"),
        ("/v1/customers//orders", 422, "validation_failed"),
        ("/v1/customers/" + "c" * 129 + "/orders", 422, "validation_failed"),
        ("/v1/idempotency-keys/", 400, "idempotency_key_invalid"),
        (f"/v1/idempotency-keys/{MARKER}%20x", 400, "idempotency_key_invalid"),
        ("/v1/idempotency-keys/" + "k" * 256, 400, "idempotency_key_invalid"),
    ):
        name = f"path: {target[:60]}"
        yield Bad(name=name, status=status, code=code, method="GET", target=target)
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND"):
        yield Bad(name=f"method: {method}", status=405, code="method_not_allowed", method=method)
    for method in ("FOO", "post", MARKER):
        yield Bad(name=f"method: {method}", status=400, code=PLAIN, method=method)


def _api_keys() -> Iterator[Bad]:
    good = {"scopes": ["orders:read"]}
    for name, changes, pointer in (
        ("no scopes", {"scopes": []}, "/scopes"),
        ("scopes: a string", {"scopes": "orders:read"}, "/scopes"),
        ("scopes: unknown", {"scopes": [MARKER]}, "/scopes/0"),
        ("scopes: null", {"scopes": None}, "/scopes"),
        ("scopes: a number", {"scopes": [1]}, "/scopes/0"),
        ("scopes: too many", {"scopes": ["orders:read"] * 6}, "/scopes"),
        ("name: empty", {"name": ""}, "/name"),
        ("name: too long", {"name": "n" * 101}, "/name"),
        ("name: a line break", {"name": f"{MARKER}\n"}, "/name"),
        ("expiry: no date", {"expires_at": MARKER}, "/expires_at"),
        ("expiry: a number", {"expires_at": 1_700_000_000}, "/expires_at"),
        ("expiry: no offset", {"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ("expiry: no such day", {"expires_at": "2030-02-30T00:00:00Z"}, "/expires_at"),
        ("unknown member", {MARKER: 1}, ""),
    ):
        body = json.dumps({**good, **changes}).encode()
        yield _invalid(f"api key: {name}", body, pointer, "/v1/api-keys")
    yield Bad(
        name="api key: expiry in the past",
        status=422,
        code="expiry_in_the_past",
        target="/v1/api-keys",
        body=json.dumps({**good, "expires_at": "2020-01-01T00:00:00Z"}).encode(),
        pointer="/expires_at",
    )
    some_id = "01900000-0000-7000-8000-000000000000"
    rotate = f"/v1/api-keys/{some_id}/rotate"
    for value in ("-1", "604801", "1.5", '"1"', "true", "null", "9223372036854775808"):
        body = f'{{"overlap_seconds": {value}}}'.encode()
        yield _invalid(f"overlap: {value}", body, "/overlap_seconds", rotate)
    yield _invalid("rotation: an array", b"[]", "", rotate)
    for target in (rotate, f"/v1/api-keys/{MARKER}/rotate"):
        yield Bad(
            name=f"rotation: {target[:30]}", status=404, code="api_key_not_found", target=target
        )
    yield Bad(
        name="revocation: no id",
        status=404,
        code="api_key_not_found",
        method="DELETE",
        target=f"/v1/api-keys/{MARKER}",
    )


def headers_of(bad: Bad, api_key: str, key: str) -> list[tuple[str, str]]:
    """Those of a good request, changed as the entry says."""
    good: dict[str, str | None] = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key}
    if bad.body is not None:
        good |= _JSON
    whole = good | dict(bad.headers)
    once = [(name, value) for name, value in whole.items() if value is not None]
    return [*once, *bad.twice.items()]
