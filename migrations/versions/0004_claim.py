"""the claim of a job, as computed when it ended

Revision: 0004, after 0003
"""
from alembic import op
import sqlalchemy as sa


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('jobs') as jobs:
        jobs.add_column(sa.Column('claim', sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('jobs') as jobs:
        jobs.drop_column('claim')
