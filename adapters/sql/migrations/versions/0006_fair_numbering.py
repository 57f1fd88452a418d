"""Who has something to be numbered is found merchant by merchant."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UNNUMBERED = sa.text("sequence IS NULL")


def upgrade() -> None:
    op.drop_index("ix_events_unnumbered", table_name="events")
    op.create_index(
        "ix_events_unnumbered",
        "events",
        ["merchant_id", "occurred_at"],
        unique=False,
        postgresql_where=_UNNUMBERED,
        sqlite_where=_UNNUMBERED,
    )
