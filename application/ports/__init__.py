"""What the use cases need from the outside, one small file per role.

Each docstring is a specification: adapters are held to it by `tests/contracts/`.
"""
