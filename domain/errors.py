"""A refusal by a business rule."""


class DomainError(Exception):
    """A rule of the business refuses what was asked.

    `code` is stable and becomes the `code` of the problem document; `detail` is one sentence for
    a person and never repeats the input. `field` names the member of the request it is about.
    """

    def __init__(self, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
