"""How an adapter says that it could not keep a promise. None of these is ever a 4xx or a 500."""


class StorageUnavailable(Exception):
    """The store could not be asked, and nothing was written. Trying again is safe."""


class OutcomeUnknown(Exception):
    """The write may or may not have happened. Trying again with the same key finds out."""


class ChangedMeanwhile(Exception):
    """What the record changes is no longer as it was read; nothing was written. Making it anew
    from what is there now may succeed."""


class KeyInProgress(Exception):
    """Another request holds the key and did not finish within the short wait."""
